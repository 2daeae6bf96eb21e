/**
 * Weight processing, right for Phi's parallel block: one LayerNorm feeds queries, keys, values *and* the MLP, so its weight
 * and bias are folded into all four. Follows TransformerLens' `ProcessWeights`; each function returns new arrays.
 *
 * With h = w ⊙ x̂ + b:  W·h + c = (W·diag(w))·x̂ + (W·b + c), and x̂ has mean 0, so that each row of W·diag(w) may lose
 * its mean. What is written to the stream may lose its mean over D, since every reader normalises.
 */
import type { PhiConfig } from "../model/config.ts";
import type { BlockValues, LinearValues, NormValues, UnembedValues } from "./weights.ts";

/** `[V, D]`, each row without its mean. */
export function foldEmbedding(embedding: Float32Array, { width }: PhiConfig): Float32Array {
  return centreRows(Float64Array.from(embedding), width);
}

export function foldBlock(block: BlockValues, { width }: PhiConfig): BlockValues {
  const { norm, dense, mlp } = block;
  const [q, k, v] = [block.q, block.k, block.v].map((linear) => foldInto(linear, norm, width)) as [
    LinearValues,
    LinearValues,
    LinearValues,
  ];
  // Σ pattern = 1: a value's bias reaches the stream whole, through W_O.
  const heard = dense.bias.map((bias, d) => {
    let sum = bias;
    for (let i = 0; i < width; i++)
      sum += (dense.weight[d * width + i] as number) * (v.bias[i] as number);
    return sum;
  });
  return {
    norm: plainNorm(width),
    q,
    k,
    v: { weight: v.weight, bias: new Float32Array(width) },
    dense: centreWriting({ weight: dense.weight, bias: heard }, width),
    mlp: mlp && { fc1: foldInto(mlp.fc1, norm, width), fc2: centreWriting(mlp.fc2, width) },
  };
}

/** The final LayerNorm folded into the head, whose columns lose their mean over the vocabulary: softmax does not see it. */
export function foldUnembed(
  { norm, head }: UnembedValues,
  { width, vocabSize }: PhiConfig,
): UnembedValues {
  const folded = foldInto(head, norm, width);
  const means = new Float64Array(width);
  for (let v = 0; v < vocabSize; v++)
    for (let d = 0; d < width; d++)
      means[d] = (means[d] as number) + (folded.weight[v * width + d] as number) / vocabSize;
  const meanBias = folded.bias.reduce((a, b) => a + b, 0) / vocabSize;
  return {
    norm: plainNorm(width),
    head: {
      weight: folded.weight.map((value, i) => value - (means[i % width] as number)),
      bias: folded.bias.map((value) => value - meanBias),
    },
  };
}

/** The direction of the normalised stream that a token's logit reads, and what it is at the origin. */
export function readingOf(
  { norm, head }: UnembedValues,
  token: number,
  width: number,
): { direction: Float64Array; constant: number } {
  const row = head.weight.subarray(token * width, (token + 1) * width);
  const direction = new Float64Array(width);
  let constant = head.bias[token] as number;
  let sum = 0;
  for (let d = 0; d < width; d++) {
    direction[d] = (row[d] as number) * (norm.weight[d] as number);
    sum += direction[d] as number;
    constant += (row[d] as number) * (norm.bias[d] as number);
  }
  return { direction: direction.map((value) => value - sum / width), constant };
}

/** A layer that reads what a norm gives, as one that reads what the norm's weight and bias are then not applied to; its rows centred. */
export function foldInto(
  { weight, bias }: LinearValues,
  norm: NormValues,
  width: number,
): LinearValues {
  const scaled = new Float64Array(weight.length);
  const folded = Float32Array.from(bias, (value, row) => {
    let sum = value;
    for (let d = 0; d < width; d++) {
      const w = weight[row * width + d] as number;
      scaled[row * width + d] = w * (norm.weight[d] as number);
      sum += w * (norm.bias[d] as number);
    }
    return sum;
  });
  return { weight: centreRows(scaled, width), bias: folded };
}

function centreRows(values: Float64Array, width: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += width) {
    let sum = 0;
    for (let d = 0; d < width; d++) sum += values[start + d] as number;
    for (let d = 0; d < width; d++) result[start + d] = (values[start + d] as number) - sum / width;
  }
  return result;
}

/** `[D, K]` and `[D]` without their means over D. */
function centreWriting({ weight, bias }: LinearValues, width: number): LinearValues {
  const columns = weight.length / width;
  const means = new Float64Array(columns);
  for (let i = 0; i < weight.length; i++) {
    const column = i % columns;
    means[column] = (means[column] as number) + (weight[i] as number) / width;
  }
  return {
    weight: weight.map((value, i) => value - (means[i % columns] as number)),
    bias: centreRows(Float64Array.from(bias), width),
  };
}

function plainNorm(width: number): NormValues {
  return { weight: new Float32Array(width).fill(1), bias: new Float32Array(width) };
}
