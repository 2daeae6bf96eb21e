/** Edits of passes through caches: while a text is read and generated. */
import type { ModelConfig } from "../model-config.ts";
import { EditedCells } from "./edited-cells.ts";
import type { PlannedEdit } from "./edits.ts";
import type { RowLayout } from "./rows.ts";

/** What changes a text that is being generated. */
export interface Intervention {
  edits: readonly PlannedEdit[];
  /** Tokens of each prompt of the batch: behind them texts grow. */
  lengths: readonly number[];
  /** Which of the prompts each sequence of this pass continues. */
  prompts: readonly number[];
}

/** The tokens of a pass through caches, one sequence after another. */
type Batch = readonly {
  positions: readonly number[];
  logits: readonly number[];
}[];

/** Which rows of a pass through caches are edited. */
export function cachedCells(
  batch: Batch,
  { edits, lengths, prompts }: Intervention,
  { config, allLogits }: { config: ModelConfig; allLogits: boolean },
): EditedCells {
  const rows: { prompt: number; position: number }[] = [];
  const wanted: number[] = [];
  const sequences = batch.map(({ positions, logits }, i) => {
    const start = rows.length;
    for (const position of positions) rows.push({ prompt: prompts[i] ?? i, position });
    for (const row of logits) wanted.push(start + row);
    return { start, rows: positions.length };
  });
  const layout: RowLayout = {
    rows,
    arrangement: { kind: "apart", sequences },
    lengths,
    ...(allLogits || wanted.length === 0 ? {} : { cut: { rows: wanted, after: "attention" } }),
  };
  return new EditedCells(edits, { layout, config, within: false });
}
