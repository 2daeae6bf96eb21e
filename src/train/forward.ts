/** The forward pass of a batch of training data. B sequences, T tokens each, V vocabulary. */
import { invariant } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { attendWithin } from "../model/attention.ts";
import { untouched, type Tap } from "../model/hook-points.ts";
import type { PhiConfig } from "../model/config.ts";
import { phi } from "../model/phi.ts";
import { checkpointed } from "../tensor/autograd/checkpointed.ts";
import type { Graph } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "./data/batches.ts";
import { attentionMask } from "./data/mask.ts";
import type { BatchShape, GraphWeights } from "./objective.ts";

export interface ForwardOptions {
  /** Whether each row has a mask of its own (`BatchStream.masksRows`). */
  perRow: boolean;
  /** Whether blocks are computed again for their gradients instead of keeping what they made: less memory, more time. */
  recompute?: boolean;
  /** Sees inner values; not together with `recompute`, which makes them twice. */
  tap?: Tap;
}

export interface RecordedForward {
  logits: Tensor; // [B·T, V]
  fill: (batch: Batch, random: Random) => void;
}

/** Records the logits of all tokens, with exact operations (mode `reference`). */
export function recordForward(
  graph: Graph,
  { weights, draw }: GraphWeights,
  config: PhiConfig,
  { sequences, length }: BatchShape,
  { perRow, recompute = false, tap = untouched }: ForwardOptions,
): RecordedForward {
  const rows = sequences * length;
  const ids = graph.input("i32", [rows], "ids");
  const positions = graph.input("i32", [rows], "positions");
  const mask = graph.input("f32", [perRow ? sequences : 1, 1, length, length], "mask");
  const attend = attendWithin({ batch: sequences, mask }, { fused: false });
  const around = recompute ? { around: checkpointed } : {};
  const logits = phi(
    weights,
    config,
    { ids, positions, attend },
    { mode: "reference", tap, ...around },
  );
  let masked = false;
  const fill = (batch: Batch, random: Random): void => {
    // ggml ends the process for a row that is not there.
    invariant(
      batch.ids.every((id) => id >= 0 && id < config.vocabSize),
      "an id beyond the vocabulary",
    );
    ids.write(batch.ids);
    positions.write(batch.positions);
    // A mask for all rows hides what comes later and nothing else: it never changes.
    if (perRow || !masked) mask.write(attentionMask(batch, { perRow, dtype: "f32" }));
    masked = true;
    draw?.(random);
  };
  return { logits, fill };
}
