/**
 * Grows a trained Phi into a wider and deeper one that computes the same function, and goes on learning from there.
 *
 * How Microsoft grew Phi-2 from Phi-1.5 is unpublished. This is lossless expansion: width as in LEMON (Wang et al. 2023,
 * arXiv 2310.07999; after Net2Net, Chen et al. 2015, arXiv 1511.05641, and bert2BERT, Chen et al. 2021, arXiv 2110.07143), depth
 * as in LLaMA Pro (Wu et al. 2024, arXiv 2401.02415).
 *
 * - Units of the residual stream are repeated as often as they fit; the rest hold the mean of all. LayerNorm then sees the
 *   same mean and r times the variance, r the share of repeated units: its weights are multiplied by √r and its eps by r.
 * - What reads a repeated unit has its weight in parts that add up to the old one, each of another size: equal parts would
 *   get equal gradients for ever.
 * - Heads and neurons are repeated in the same way. Heads that become larger get new dimensions behind the old ones, which
 *   nothing reads yet, and queries √(H′/H) times as long. The rotated dimensions stay as they are.
 * - Layers in between are copies whose outputs are 0 at first.
 */
import { LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { PhiConfig } from "../model/config.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { TrainableModel } from "./trainable-model.ts";

/** What a unit of the larger model is: one of the smaller's, by number; the mean of all; or nothing before. */
type Unit = number | "mean" | "new";

/** Standard deviation of weights that nothing depends on yet: Phi's initialisation. */
const DEVIATION = 0.02;

/** The configuration as a model that was grown has it: LayerNorm's eps follows its width. */
export function grownConfig(small: PhiConfig, large: PhiConfig): PhiConfig {
  const smaller = (["layers", "heads", "headSize", "width", "mlpWidth"] as const).filter(
    (size) => large[size] < small[size],
  );
  if (smaller.length > 0)
    throw new LabError(
      "bad_input",
      `the model to begin from is larger: ${smaller.map((size) => `${size} ${small[size]}, not ${large[size]}`).join("; ")}`,
      {
        hint: "A model grows in every direction or keeps its size.",
      },
    );
  if (small.vocabSize !== large.vocabSize)
    throw new LabError(
      "bad_input",
      `vocabularies of ${small.vocabSize} and ${large.vocabSize} tokens`,
      { hint: "A model grows with its own tokenizer." },
    );
  const { rotaryDims, ropeTheta } = small;
  const layerNormEps = small.layerNormEps * repeatedShare(small, large);
  return { ...large, rotaryDims, ropeTheta, layerNormEps };
}

/** r */
function repeatedShare(small: PhiConfig, large: PhiConfig): number {
  return (Math.floor(large.width / small.width) * small.width) / large.width;
}

/** A model of the shape `large` (from `grownConfig`) that gives the logits of `small`. */
export function grow(
  small: TrainableModel,
  large: PhiConfig,
  { seed }: { seed: number },
): TrainableModel {
  const grown = TrainableModel.initialize(large, small.backend, { seed });
  const from = small.config;
  const random = new Random(seed).split(2 ** 32);
  const units = {
    residual: residualUnits(from.width, large.width),
    heads: headUnits(from, large),
    mlp: Array.from({ length: large.mlpWidth }, (_, i): Unit =>
      from.mlpWidth === 0 ? "new" : i % from.mlpWidth,
    ),
  };
  const scale = Math.sqrt(repeatedShare(from, large));
  const headScale = Math.sqrt(large.headSize / from.headSize);
  const read = (name: string): Float32Array | undefined => small.parameters.get(name)?.read();

  const linear = (
    [name, source]: readonly [string, string],
    rows: readonly Unit[],
    columns: readonly Unit[],
    { factor = 1, newRows = 0, silent = false } = {},
  ): void => {
    const weight = read(`${source}.weight`);
    const bias = read(`${source}.bias`);
    const [w, b] = [grown.parameters.get(`${name}.weight`), grown.parameters.get(`${name}.bias`)];
    if (w === undefined || b === undefined) return;
    if (silent || weight === undefined || bias === undefined) {
      if (silent) w.write(new Float32Array(w.size));
      b.write(new Float32Array(b.size));
      return;
    }
    const matrix = { values: weight, columns: weight.length / bias.length };
    w.write(widenMatrix(matrix, { rows, columns, factor, newRows, random }));
    b.write(widenVector(bias, rows).map((x) => x * factor));
  };
  const norm = (name: string, source: string): void => {
    const [weight, bias] = [read(`${source}.weight`), read(`${source}.bias`)];
    const isCopy = (i: number): boolean => typeof units.residual[i] === "number";
    write(
      grown,
      `${name}.weight`,
      widenVector(weight, units.residual).map((x) => x * scale),
    );
    write(
      grown,
      `${name}.bias`,
      widenVector(bias, units.residual).map((x, i) => (isCopy(i) ? x : 0)),
    );
  };

  const embedding = read("model.embed_tokens.weight") ?? new Float32Array();
  const { width } = from;
  const table = new Float32Array(large.vocabSize * large.width);
  for (let id = 0; id < large.vocabSize; id++) {
    const row = embedding.subarray(id * width, (id + 1) * width);
    table.set(widenVector(row, units.residual), id * large.width);
  }
  write(grown, "model.embed_tokens.weight", table);
  for (let l = 0; l < large.layers; l++) {
    const source = Math.floor((l * from.layers) / large.layers);
    const isCopy = l > 0 && Math.floor(((l - 1) * from.layers) / large.layers) === source;
    const at = (module: string) =>
      [`model.layers.${l}.${module}`, `model.layers.${source}.${module}`] as const;
    const { residual, heads, mlp } = units;
    norm(...at("input_layernorm"));
    linear(at("self_attn.q_proj"), heads, residual, { factor: headScale });
    linear(at("self_attn.k_proj"), heads, residual, { newRows: DEVIATION });
    linear(at("self_attn.v_proj"), heads, residual, { newRows: DEVIATION });
    linear(at("self_attn.dense"), residual, heads, { silent: isCopy });
    linear(at("mlp.fc1"), mlp, residual);
    linear(at("mlp.fc2"), residual, mlp, { silent: isCopy || from.mlpWidth === 0 });
  }
  norm("model.final_layernorm", "model.final_layernorm");
  const everyToken = Array.from({ length: large.vocabSize }, (_, id) => id);
  linear(["lm_head", "lm_head"], everyToken, units.residual);
  return grown;
}

function write(model: TrainableModel, name: string, values: Float32Array): void {
  (model.parameters.get(name) as Tensor).write(values);
}

function residualUnits(width: number, wider: number): Unit[] {
  const repeated = Math.floor(wider / width) * width;
  return Array.from({ length: wider }, (_, i) => (i < repeated ? i % width : "mean"));
}

function headUnits({ heads, headSize }: PhiConfig, large: PhiConfig): Unit[] {
  return Array.from({ length: large.heads * large.headSize }, (_, i) => {
    const [head, at] = [Math.floor(i / large.headSize) % heads, i % large.headSize];
    return at < headSize ? head * headSize + at : "new";
  });
}

/** Values that units are given: repeated, or their mean. */
function widenVector(values: Float32Array | undefined, units: readonly Unit[]): Float32Array {
  if (values === undefined) return new Float32Array(units.length);
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return Float32Array.from(units, (unit) =>
    unit === "mean" ? mean : unit === "new" ? 0 : (values[unit] ?? 0),
  );
}

/**
 * A matrix `[M, K]` for more outputs (rows) and inputs (columns). Inputs that repeat share the weight of the one that they
 * repeat; those that hold a mean come as 0 from LayerNorm, so their weights may be anything; nothing comes from new ones.
 */
function widenMatrix(
  { values, columns: K }: { values: Float32Array; columns: number },
  {
    rows,
    columns,
    factor,
    newRows,
    random,
  }: {
    rows: readonly Unit[];
    columns: readonly Unit[];
    factor: number;
    /** Standard deviation of rows that are new. */
    newRows: number;
    random: Random;
  },
): Float32Array {
  const M = values.length / K;
  const wide = new Float32Array(rows.length * columns.length);
  const mean = new Float32Array(K);
  for (let i = 0; i < values.length; i++) mean[i % K]! += values[i]! / M;
  const shares = new Float64Array(columns.length);
  const sums = new Float64Array(K);
  rows.forEach((row, r) => {
    const out = wide.subarray(r * columns.length, (r + 1) * columns.length);
    if (row === "new") {
      for (let c = 0; c < out.length; c++) out[c] = newRows * random.normal();
      return;
    }
    const source = row === "mean" ? mean : values.subarray(row * K, (row + 1) * K);
    sums.fill(0);
    columns.forEach((unit, c) => {
      if (typeof unit !== "number") return;
      shares[c] = 0.5 + random.uniform();
      sums[unit]! += shares[c];
    });
    columns.forEach((unit, c) => {
      if (unit === "mean") out[c] = DEVIATION * random.normal();
      else if (unit !== "new") out[c] = (factor * source[unit]! * shares[c]!) / sums[unit]!;
    });
  });
  return wide;
}
