/**
 * A dictionary in the forward pass: what is computed goes on from its reconstruction. With the error term (Marks et al. 2024, arXiv
 * 2403.19647) what it leaves out is added again, so that nothing changes but what is done to latents.
 */
import type { Capture } from "../model/hooks/capture.ts";
import type { Edit } from "../model/hooks/edits.ts";
import type { ModelConfig } from "../model/model-config.ts";
import { add, sub } from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { assertFits } from "./dictionary.ts";
import type { LoadedDictionary } from "./record.ts";

export interface SpliceOptions {
  /** Whether what the dictionary leaves out is added again. Default false. */
  errorTerm?: boolean;
  /** What becomes of latents `[R, S]` before they are decoded; the error is that of the latents as they were. */
  change?: (latents: Tensor) => Tensor;
}

/** What a run needs so that a dictionary takes its place. */
export interface Splice {
  edits: Edit[];
  /** To be captured as well: where a transcoder is in the last block, all of its rows are needed. */
  capture: Capture[];
}

/** @throws LabError `bad_input` for a dictionary of another model */
export function splice(
  loaded: LoadedDictionary,
  config: ModelConfig,
  { errorTerm = false, change }: SpliceOptions = {},
): Splice {
  const { dictionary } = loaded;
  assertFits(dictionary, config);
  const written = (x: Tensor, y: Tensor): Tensor => {
    const latents = loaded.encode(x);
    const plain = loaded.decode(latents);
    const out = change === undefined ? plain : loaded.decode(change(latents));
    return errorTerm ? add(out, sub(y, plain)) : out;
  };
  const { input, output } = dictionary;
  if (input === output)
    return {
      edits: [{ op: "graph", at: output, apply: (rows) => written(rows, rows) }],
      capture: [],
    };
  let read: Tensor | undefined;
  return {
    edits: [
      { op: "graph", at: input, apply: (rows) => (read = rows) },
      { op: "graph", at: output, apply: (rows) => written(read ?? rows, rows) },
    ],
    capture: [{ at: output, reduce: "norm", as: "whole block" }],
  };
}
