/** Losses that make a model forget some texts and keep others. The first half of a batch's rows is to be forgotten. */
import { invariant } from "../../base/errors.ts";
import { crossEntropy, add, mul, sqr, sub, sumAll, sumLast } from "../../tensor/ops/index.ts";
import { IGNORED } from "../../tensor/targets.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Tap } from "../../model/hook-points.ts";
import type { PhiWeights } from "../../model/phi.ts";
import type { Graph } from "../../tensor/graph.ts";
import { recordForward, type RecordedForward } from "../../train/forward.ts";
import type { Batch, BatchShape, GraphWeights, Objective, Trainee } from "../../train/index.ts";

/**
 * The answers to forget are made less likely, those to keep more (`gradient-difference`, Liu et al. 2022) or left alone
 * (`gradient-ascent`): −L(forget) + retainWeight · L(retain).
 */
export function signedLikelihood(trainee: Trainee, retainWeight: number): Objective {
  return {
    weigh: () => 1,
    record(graph, shape, { training }) {
      const rows = shape.sequences * shape.length;
      const model = trainee.inGraph(graph, { rows, training });
      const forward = recordForward(graph, model, trainee.config, shape, { perRow: false });
      const targets = graph.input("i32", [rows], "targets");
      const weights = graph.input("f32", [rows], "weights");
      return {
        loss: crossEntropy(forward.logits, targets, weights),
        fill(batch, { total, random }) {
          forward.fill(batch, random);
          targets.write(batch.targets.map((id) => (id === IGNORED ? 0 : id)));
          const isLearned = (i: number): boolean => batch.targets[i] !== IGNORED;
          weights.write(
            shares(batch, isLearned, { forget: -1 / total, retain: retainWeight / total }),
          );
        },
      };
    },
  };
}

export interface MisdirectionOptions {
  /** What the model was before. */
  frozen: PhiWeights;
  /** The block whose stream is misdirected. */
  layer: number;
  /** Where the streams of what is to be forgotten are sent, `[D]`. */
  control: Float32Array;
  /** α */
  retainWeight: number;
}

/**
 * RMU (Li et al. 2024, arXiv 2403.03218, section 4): at one block the streams of what is to be forgotten go to one random vector, and those
 * of what is to be kept stay where they were: mean‖h − c·u‖² over forget tokens + α · mean‖h − h₀‖² over retain tokens.
 */
export function misdirection(
  trainee: Trainee,
  { frozen, layer, control, retainWeight }: MisdirectionOptions,
): Objective {
  const { width } = trainee.config;
  return {
    weigh: () => 1,
    record(graph, shape, { training }) {
      const rows = shape.sequences * shape.length;
      const before = streamAfter(graph, { weights: frozen }, { trainee, shape, layer });
      graph.require(before.stream);
      const model = trainee.inGraph(graph, { rows, training });
      const now = streamAfter(graph, model, { trainee, shape, layer });
      const target = graph.input("f32", [1, width], "control");
      const forgotten = graph.input("f32", [rows, 1], "forgotten");
      const kept = graph.input("f32", [rows, 1], "kept");
      const distance = (to: Tensor): Tensor => sumLast(sqr(sub(now.stream, to))); // [R, 1]
      const loss = add(
        sumAll(mul(distance(target), forgotten)),
        sumAll(mul(distance(before.stream), kept)),
      );
      return {
        loss,
        fill(batch, { total, random }) {
          before.forward.fill(batch, random);
          now.forward.fill(batch, random);
          target.write(control);
          const isToken = (i: number): boolean => batch.documents[i] === 0;
          const share = 1 / total / width;
          forgotten.write(shares(batch, isToken, { forget: share, retain: 0 }));
          kept.write(shares(batch, isToken, { forget: 0, retain: retainWeight * share }));
        },
      };
    },
  };
}

function streamAfter(
  graph: Graph,
  weights: GraphWeights,
  { trainee, shape, layer }: { trainee: Trainee; shape: BatchShape; layer: number },
): { forward: RecordedForward; stream: Tensor } {
  let stream: Tensor | undefined;
  const tap: Tap = Object.assign(
    (point: string, value: Tensor) => {
      if (point === `blocks.${layer}.hook_resid_post`) stream = value;
      return value;
    },
    { wants: () => false },
  );
  const forward = recordForward(graph, weights, trainee.config, shape, { perRow: false, tap });
  invariant(stream !== undefined, "no stream after the block");
  return { forward, stream };
}

/** What each token counts for: its half's share, divided among the half's tokens that count. */
function shares(
  { sequences, length }: Batch,
  counts: (token: number) => boolean,
  share: { forget: number; retain: number },
): Float32Array {
  const size = sequences * length;
  const half = size / 2;
  let [forget, retain] = [0, 0];
  for (let i = 0; i < size; i++)
    if (counts(i)) {
      if (i < half) forget++;
      else retain++;
    }
  return Float32Array.from({ length: size }, (_, i) =>
    !counts(i) ? 0 : i < half ? share.forget / forget : share.retain / retain,
  );
}
