/** Places that can be patched: what they are called, which hook they are, and the edits that patch them. */
import { LabError } from "../base/errors.ts";
import type { Edit } from "../model/hooks/edits.ts";
import type { HookName } from "../model/hooks/names.ts";
import type { Captured } from "../model/hooks/read.ts";
import type { TaskPair } from "./tasks/task.ts";

/** What is patched, and the hook that it is. */
const SITES = {
  resid_pre: "hook_resid_pre",
  attn_out: "hook_attn_out",
  mlp_out: "hook_mlp_out",
  z: "attn.hook_z",
  q: "attn.hook_q",
  k: "attn.hook_k",
  v: "attn.hook_v",
  pattern: "attn.hook_pattern",
} as const;

export type PatchSite = keyof typeof SITES;

export const PATCH_SITES = Object.keys(SITES) as PatchSite[];

/** The sites of heads, in TransformerLens' order: out, q, k, v, pattern. */
export const HEAD_SITES: readonly PatchSite[] = ["z", "q", "k", "v", "pattern"];

/** Which places of a layer are told apart. */
export type PatchedAxes = "position" | "head" | "position+head";

export function siteHook(site: PatchSite, layer: number): HookName {
  return `blocks.${layer}.${SITES[site]}`;
}

export interface Cell {
  layer: number;
  position?: number;
  head?: number;
}

export function cellsOf({
  layers,
  over,
  positions,
  heads,
}: {
  layers: readonly number[];
  over: PatchedAxes;
  positions: number;
  heads: number;
}): Cell[] {
  const count = (length: number): number[] => Array.from({ length }, (_, i) => i);
  return layers.flatMap((layer): Cell[] => {
    if (over === "head") return count(heads).map((head) => ({ layer, head }));
    const each = count(positions).map((position) => ({ layer, position }));
    if (over === "position") return each;
    return each.flatMap((cell) => count(heads).map((head) => ({ ...cell, head })));
  });
}

export function editOf(
  { layer, position, head }: Cell,
  site: PatchSite,
  valueOf: (hook: HookName) => Captured,
): Edit {
  const at = siteHook(site, layer);
  return {
    at,
    op: "replace",
    value: valueOf(at),
    ...(position === undefined ? {} : { positions: [position] }),
    ...(head === undefined ? {} : { heads: [head] }),
  };
}

/** The number of positions of pairs that can be patched. Throws `bad_input` for pairs that do not align. */
export function checkPairs(
  pairs: readonly Pick<TaskPair, "clean" | "corrupted">[],
  { site, over }: { site: PatchSite; over: PatchedAxes },
): number {
  const isHead = HEAD_SITES.includes(site);
  if (!isHead && over !== "position")
    throw new LabError("bad_input", `${site} has no heads to patch`, {
      hint: "Take z, q, k, v or pattern.",
    });
  const [first] = pairs;
  if (first === undefined) throw new LabError("bad_input", "no pairs of prompts are given");
  for (const { clean, corrupted } of pairs)
    if (clean.length !== corrupted.length)
      throw new LabError("bad_input", `a pair of ${clean.length} and ${corrupted.length} tokens`, {
        hint: "A patch moves values between equal positions; `alignPrompts` shows the tokens.",
      });
  const odd = pairs.find(({ clean }) => clean.length !== first.clean.length);
  if (odd !== undefined && over !== "head")
    throw new LabError(
      "bad_input",
      `pairs of ${first.clean.length} and ${odd.clean.length} tokens have no positions in common`,
      { hint: "Patch over heads, or take pairs of one length." },
    );
  return first.clean.length;
}
