/** What the commands about circuits have in common. */
import path from "node:path";
import { z } from "zod";
import { formatNumber, formatTable } from "../base/format.ts";
import {
  type ABLATIONS,
  checkCircuit,
  readCircuit,
  saveCircuit,
  TASK_NAMES,
  type CircuitCheck,
  type CircuitFile,
  type CircuitModel,
} from "../interpret/index.ts";
import type { Pair } from "../interpret/pairs.ts";
import type { CommandContext } from "./command.ts";
import { FLAGS, flags } from "./flags.ts";
import { ANSWER_OPTIONS } from "./inspect.ts";

/** Prompts: a task that is drawn, or two that are typed. */
export const PAIR_ARGUMENTS = {
  clean: z.string().optional().describe("the prompt whose answer is right"),
  corrupted: z.string().optional().describe("its counterpart, of equally many tokens"),
};

export const PAIR_OPTIONS = {
  ...flags("model", "mode", "device", "threads"),
  ...ANSWER_OPTIONS,
  task: z.enum(TASK_NAMES).optional().describe("draw pairs of this task instead"),
  limit: FLAGS.limit.default(8),
};

export async function openCircuit(
  { cwd, output }: CommandContext,
  name: string,
): Promise<CircuitFile> {
  const file = path.resolve(cwd, name);
  const found = await readCircuit(file);
  output.note(`${found.edges.length} edges, found by ${found.method} in ${found.model.name}`);
  return found;
}

export async function keepCircuit(
  { cwd, output }: CommandContext,
  out: string | undefined,
  circuit: CircuitFile,
): Promise<{ file?: string }> {
  if (out === undefined) return {};
  const file = path.resolve(cwd, out);
  await saveCircuit(file, circuit);
  output.note(`circuit: ${file}`);
  return { file };
}

export async function checks(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  kept: Uint8Array,
  options: {
    ablations: readonly (typeof ABLATIONS)[number][];
    seed: number;
    controls: number;
    signal: AbortSignal;
  },
): Promise<CircuitCheck[]> {
  const found: CircuitCheck[] = [];
  for (const ablation of options.ablations)
    found.push(await checkCircuit(circuit, pairs, kept, { ...options, ablation }));
  return found;
}

export function checksTable(found: readonly CircuitCheck[]): string {
  const number = (value: number): string => formatNumber(value, 3);
  return formatTable(
    [
      { title: "left out" },
      { title: "model", align: "right" },
      { title: "nothing", align: "right" },
      { title: "circuit", align: "right" },
      { title: "faithfulness", align: "right" },
      { title: "of the rest", align: "right" },
      { title: "random circuits", align: "right" },
    ],
    found.map((own) => [
      own.ablation,
      ...[own.model, own.nothing, own.circuit, own.faithfulness, own.restFaithfulness].map(number),
      own.random.length === 0
        ? ""
        : `${number(Math.min(...own.random))} … ${number(Math.max(...own.random))}`,
    ]),
  );
}

const SHOWN = 12;

export function edgesTable(edges: CircuitFile["edges"]): string {
  const rows = edges
    .slice(0, SHOWN)
    .map(({ edge, effect }) => [edge, effect === null ? "" : formatNumber(effect, 3)]);
  const more = edges.length > SHOWN ? `\nand ${edges.length - SHOWN} more` : "";
  return `${formatTable([{ title: "edge" }, { title: "effect", align: "right" }], rows)}${more}`;
}
