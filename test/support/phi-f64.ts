/**
 * Phi once more, in f64 and in plain loops, without ggml and without anything of philab's own forward pass: a reference
 * for values that no other program gives. It has every hook, and what `edit` makes of a value is used in its place.
 *
 * T positions (S as keys), N heads, H head size, D width, F MLP width, V vocabulary; all arrays row-major.
 */
import type { PhiConfig } from "../../src/model/config.ts";
import type { readTensors } from "./golden.ts";

type Values = Float64Array;
type Edit = (hook: string, values: Values) => Values;

/** Parameters under Hugging Face's names. */
export type Parameters = Awaited<ReturnType<typeof readTensors>>;

/**
 * Reads `ids`: hooks by name, with the shape that philab gives them for one prompt.
 *
 * x = W_E[ids]; for each block x += Attn(LN(x)) + MLP(LN(x)); logits = W_U·LN(x) + b_U (arXiv 2306.11644, §2.3).
 */
export function phiInF64(
  parameters: Parameters,
  config: PhiConfig,
  ids: readonly number[],
  edit: Edit = (_, values) => values,
): Map<string, Values> {
  const { layers, heads: N, headSize: H, width: D, layerNormEps, rotaryDims, ropeTheta } = config;
  const T = ids.length;
  const hooks = new Map<string, Values>();
  const at = (hook: string, values: Values): Values => {
    const used = edit(hook, values);
    hooks.set(hook, used);
    return used;
  };
  const parameter = (name: string): ArrayLike<number> => {
    const found = parameters.get(name);
    if (found === undefined) throw new Error(`no parameter ${name}`);
    return found.values;
  };

  /** W·x + b for each row of x */
  const linear = (x: Values, name: string): Values => {
    const [weight, bias] = [parameter(`${name}.weight`), parameter(`${name}.bias`)];
    const [outputs, inputs] = [bias.length, weight.length / bias.length];
    return table([x.length / inputs, outputs], (row, o) => {
      let sum = bias[o]!;
      for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i]! * x[row * inputs + i]!;
      return sum;
    });
  };
  /** (x − mean)/√(variance + ε) · w + b for each row of x */
  const layerNorm = (x: Values, name: string, see = (_: string, values: Values) => values) => {
    const rows = x.length / D;
    const mean = table([rows, 1], (row) => total(D, (d) => x[row * D + d]!) / D);
    const deviation = table([rows, 1], (row) =>
      Math.sqrt(total(D, (d) => (x[row * D + d]! - mean[row]!) ** 2) / D + layerNormEps),
    );
    const scale = see("hook_scale", deviation);
    const normalized = see(
      "hook_normalized",
      table([rows, D], (row, d) => (x[row * D + d]! - mean[row]!) / scale[row]!),
    );
    const [weight, bias] = [parameter(`${name}.weight`), parameter(`${name}.bias`)];
    return table([rows, D], (row, d) => normalized[row * D + d]! * weight[d]! + bias[d]!);
  };
  /** The first `rotaryDims` of each head turned by position, its halves as pairs (Su et al. 2021, arXiv 2104.09864) */
  const rotate = (x: Values): Values =>
    table([T, N, H], (t, n, i) => {
      const [own, half] = [x[(t * N + n) * H + i]!, rotaryDims / 2];
      if (i >= rotaryDims) return own;
      const angle = t * ropeTheta ** (-(i % half) / half);
      const other = x[(t * N + n) * H + ((i + half) % rotaryDims)]!;
      return own * Math.cos(angle) + (i < half ? -other : other) * Math.sin(angle);
    });

  const embedding = parameter("model.embed_tokens.weight");
  let x = at(
    "hook_embed",
    table([T, D], (t, d) => embedding[ids[t]! * D + d]!),
  );
  for (let l = 0; l < layers; l++) {
    const layer = `model.layers.${l}`;
    const see = (hook: string, values: Values): Values => at(`blocks.${l}.${hook}`, values);
    const norm = `${layer}.input_layernorm`;
    x = see("hook_resid_pre", x); // [T, D]
    const h = see(
      "hook_ln1_out",
      layerNorm(x, norm, (hook, values) => see(`ln1.${hook}`, values)),
    );

    const copies = table([T, N, D], (t, _, d) => x[t * D + d]!);
    const shared = see("hook_attn_in", copies);
    const [q, k, v] = (["q", "k", "v"] as const).map((name) => {
      const input = see(`hook_${name}_input`, shared);
      const projection = `${layer}.self_attn.${name}_proj`;
      if (input === copies) return see(`attn.hook_${name}`, linear(h, projection)); // [T, N, H]
      const all = linear(layerNorm(input, norm), projection); // [T, N, N, H]: each head its own part
      const own = table([T, N, H], (t, n, i) => all[((t * N + n) * N + n) * H + i]!);
      return see(`attn.hook_${name}`, own);
    }) as [Values, Values, Values];
    const [rotQ, rotK] = [see("attn.hook_rot_q", rotate(q)), see("attn.hook_rot_k", rotate(k))];

    const scores = see(
      "attn.hook_attn_scores",
      table([N, T, T], (n, t, s) => {
        if (s > t) return -Infinity;
        return total(H, (i) => rotQ[(t * N + n) * H + i]! * rotK[(s * N + n) * H + i]!) / H ** 0.5;
      }),
    );
    const sums = table([N, T, 1], (n, t) =>
      total(T, (s) => Math.exp(scores[(n * T + t) * T + s]!)),
    );
    const pattern = see(
      "attn.hook_pattern",
      table([N, T, T], (n, t, s) => Math.exp(scores[(n * T + t) * T + s]!) / sums[n * T + t]!),
    );
    const z = see(
      "attn.hook_z",
      table([T, N, H], (t, n, i) =>
        total(T, (s) => pattern[(n * T + t) * T + s]! * v[(s * N + n) * H + i]!),
      ),
    );
    const [output, bias] = [`${layer}.self_attn.dense.weight`, `${layer}.self_attn.dense.bias`].map(
      parameter,
    ) as [ArrayLike<number>, ArrayLike<number>];
    const result = see(
      "attn.hook_result",
      table([T, N, D], (t, n, d) =>
        total(H, (i) => output[(d * N + n) * H + i]! * z[(t * N + n) * H + i]!),
      ),
    );
    const attnOut = see(
      "hook_attn_out",
      table([T, D], (t, d) => bias[d]! + total(N, (n) => result[(t * N + n) * D + d]!)),
    );

    const mlpIn = see("hook_mlp_in", x);
    const pre = see(
      "mlp.hook_pre",
      linear(mlpIn === x ? h : layerNorm(mlpIn, norm), `${layer}.mlp.fc1`), // [T, F]
    );
    const post = see("mlp.hook_post", pre.map(gelu));
    const mlpOut = see("hook_mlp_out", linear(post, `${layer}.mlp.fc2`)); // [T, D]
    const before = x;
    x = see(
      "hook_resid_post",
      before.map((value, i) => value + attnOut[i]! + mlpOut[i]!),
    );
  }
  const last = layerNorm(x, "model.final_layernorm", (hook, values) =>
    at(`ln_final.${hook}`, values),
  );
  at("hook_logits", linear(at("hook_ln_final_out", last), "lm_head")); // [T, V]
  return hooks;
}

/** GELU by tanh, `gelu_new` (Hendrycks & Gimpel 2016, arXiv 1606.08415, §2) */
function gelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** An array of up to three axes from its indices. */
function table(
  [a, b, c = 1]: readonly [number, number, number?],
  value: (i: number, j: number, k: number) => number,
): Values {
  const values = new Float64Array(a * b * c);
  for (let i = 0, at = 0; i < a; i++)
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) values[at++] = value(i, j, k);
  return values;
}

function total(count: number, term: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += term(i);
  return sum;
}
