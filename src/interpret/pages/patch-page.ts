/** The page of patching sweeps: what each place recovers, and what a random change of the same size does there. */
import type { LanguageModel } from "../../generate/language-model.ts";
import { heatMap } from "../../report/heat-map.ts";
import { html, type Html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import { tokenStrip } from "../../report/token-strip.ts";
import { tokenName } from "../answers.ts";
import type { PatchSweep } from "../patching.ts";
import type { TaskPair } from "../tasks/task.ts";
import { headLabels, tokenLabels, type PageInput } from "./parts.ts";

const SITE_NAMES: Readonly<Record<PatchSweep["site"], string>> = {
  resid_pre: "Residual stream before each block",
  attn_out: "What attention adds",
  mlp_out: "What the MLP adds",
  z: "Outputs of heads",
  q: "Queries of heads",
  k: "Keys of heads",
  v: "Values of heads",
  pattern: "Patterns of heads",
};

export function patchPage(
  input: PageInput,
  {
    model,
    pairs,
    sweeps,
    remarks = [],
  }: {
    model: LanguageModel;
    pairs: readonly Pick<TaskPair, "clean" | "corrupted">[];
    sweeps: readonly PatchSweep[];
    /** What is to be said of each sweep. */
    remarks?: readonly string[];
  },
): string {
  const [first] = pairs;
  const clean = first?.clean ?? [];
  const body = html`${section("Prompts", ...strips(model, pairs))}
  ${sweeps.map((sweep, i) =>
    section(
      SITE_NAMES[sweep.site],
      remarks[i] !== undefined && html`<p>${remarks[i]}</p>`,
      drawSweep(sweep, model, clean, "values"),
      sweep.control !== undefined && drawSweep(sweep, model, clean, "control"),
    ),
  )}`;
  return page({ ...input, body });
}

function strips(
  model: LanguageModel,
  pairs: readonly Pick<TaskPair, "clean" | "corrupted">[],
): Html[] {
  const [pair] = pairs;
  if (pair === undefined) return [];
  const differs = pair.clean.map((id, i) => (id === pair.corrupted[i] ? 0 : 1));
  const more = pairs.length > 1 ? ` (the first of ${pairs.length})` : "";
  return (["clean", "corrupted"] as const).map((side) =>
    tokenStrip({
      title: `${side === "clean" ? "Clean" : "Corrupted"}${more}`,
      tokens: pair[side].map((id, i) => ({ text: tokenName(model, id), value: differs[i] ?? 0 })),
      valueTitle: "differs",
      range: [0, 1],
    }),
  );
}

function drawSweep(
  sweep: PatchSweep,
  model: LanguageModel,
  ids: readonly number[],
  part: "values" | "control",
): Html {
  const { axes, shape, direction, metric, layers } = sweep;
  const labels = tokenLabels(model, ids);
  const heads = headLabels(shape.at(-1) ?? 0);
  const layer = layers.map((l) => `L${l}`);
  const isBoth = axes.length === 3;
  const rows = isBoth ? layer.flatMap((l) => labels.map((token) => `${l} ${token}`)) : layer;
  const columns = axes.at(-1) === "head" ? heads : labels;
  const values = sweep[part] ?? new Float64Array();
  const reach = Math.max(1, ...Array.from(sweep.values, Math.abs));
  return heatMap({
    title: part === "values" ? "Recovered." : "Control: as large a change in a random direction.",
    description:
      direction === "denoise"
        ? `Clean values put into the corrupted run: 0 nothing, 1 all of the ${metric.replace("_", " ")}.`
        : `Corrupted values put into the clean run: 1 nothing is lost, 0 all of the ${metric.replace("_", " ")}.`,
    values: Array.from(values),
    rows,
    columns,
    rowTitle: isBoth ? "layer, position" : "layer",
    columnTitle: axes.at(-1) ?? "",
    valueTitle: "recovered",
    palette: "diverging",
    range: [-reach, reach],
    digits: 3,
  });
}
