/**
 * Logit lens (nostalgebraist 2020): what the head would say of the stream before each block,
 * logits_l = W_U·LN(resid_l) + b_U. With translators it is a tuned lens (Belrose et al. 2023, arXiv 2303.08112):
 * W_U·LN(resid_l + A_l·resid_l + b_l) + b_U.
 *
 * Weight view: raw; the final LayerNorm is computed, not folded.
 */
import type { LanguageModel, Prompt } from "../generate/language-model.ts";
import type { HookName } from "../model/hooks/names.ts";
import { answerToken, tokenName, type Answer } from "./answers.ts";
import { divergence, logSumExp } from "./metric.ts";
import { readStreams } from "./stream-reader.ts";

/** For each layer what is added to a stream before the head reads it: A `[D, D]`, b `[D]`. */
export interface Translator {
  weight: Float32Array;
  bias: Float32Array;
}

export interface LensCell {
  /** The likeliest tokens, from the first. */
  top: { id: number; text: string; probability: number }[];
  /** KL of the lens from the model's own distribution at this position, in nats. */
  divergence: number;
  entropy: number;
  /** Of the answer: its probability, and how many tokens are likelier. */
  probability?: number;
  rank?: number;
}

export interface LogitLens {
  ids: readonly number[];
  positions: readonly number[];
  /** `0` to `L-1` for the stream before a block, and `final`. */
  layers: string[];
  answer: number | undefined;
  /** `[layer][position]` */
  cells: LensCell[][];
}

export interface LensOptions {
  /** All by default; negative ones count from the end. */
  positions?: readonly number[];
  answer?: Answer | undefined;
  top?: number;
  translators?: readonly Translator[] | undefined;
  signal?: AbortSignal;
}

/** The hooks whose values a lens reads: the stream before every block, and the last. */
export function lensHooks(layers: number): HookName[] {
  return [
    ...Array.from({ length: layers }, (_, l): HookName => `blocks.${l}.hook_resid_pre`),
    `blocks.${layers - 1}.hook_resid_post`,
  ];
}

/**
 * What the head would say of the stream before each block, and with `answer` how the log-probability of that token grows (logit
 * lens, nostalgebraist 2020; with `translators` a tuned lens, Belrose et al. 2023).
 */
export async function logitLens(
  model: LanguageModel,
  prompt: Prompt,
  { positions, answer, top = 5, translators, signal }: LensOptions = {},
): Promise<LogitLens> {
  const { width, layers } = model.config;
  const token = answer === undefined ? undefined : answerToken(model, prompt, answer);
  const hooks = lensHooks(layers);
  const options = signal === undefined ? {} : { signal };
  const run = await model.run(prompt, {
    capture: hooks.map((at) => (positions === undefined ? at : { at, positions })),
    ...options,
  });
  const [ids = []] = run.ids;
  const places = (positions ?? ids.map((_, i) => i)).map((p) => (p < 0 ? ids.length + p : p));
  // The last stream first: what the others are compared with.
  const order = hooks.map((_, i) => hooks.length - 1 - i);
  const size = places.length * width;
  const streams = new Float32Array(hooks.length * size);
  order.forEach((layer, i) => {
    const { values } = run.get(hooks[layer] as HookName);
    const translator = translators?.[layer];
    streams.set(translator === undefined ? values : translate(values, translator), i * size);
  });
  const cells: LensCell[][] = hooks.map(() => []);
  const final: Float32Array[] = [];
  await readStreams(
    model,
    streams,
    (row, logits) => {
      const place = row % places.length;
      final[place] ??= logits.slice();
      const layer = order[Math.floor(row / places.length)] as number;
      (cells[layer] as LensCell[])[place] = cellOf(model, logits, {
        final: final[place],
        token,
        top,
      });
    },
    options,
  );
  return {
    ids,
    positions: places,
    layers: hooks.map((_, i) => (i < layers ? String(i) : "final")),
    answer: token,
    cells,
  };
}

/** x + A·x + b for each row: `[R, D]`. */
export function translate(streams: Float32Array, { weight, bias }: Translator): Float32Array {
  const width = bias.length;
  const result = streams.slice();
  for (let start = 0; start < streams.length; start += width)
    for (let o = 0; o < width; o++) {
      let sum = bias[o] as number;
      for (let i = 0; i < width; i++)
        sum += (weight[o * width + i] as number) * (streams[start + i] as number);
      result[start + o] = (result[start + o] as number) + sum;
    }
  return result;
}

function cellOf(
  model: LanguageModel,
  logits: Float32Array,
  { final, token, top }: { final: Float32Array; token: number | undefined; top: number },
): LensCell {
  const total = logSumExp(logits);
  const probability = (id: number): number => Math.exp((logits[id] as number) - total);
  let entropy = 0;
  for (const logit of logits) entropy -= Math.exp(logit - total) * (logit - total);
  const cell: LensCell = {
    top: largest(logits, top).map((id) => ({
      id,
      text: tokenName(model, id),
      probability: probability(id),
    })),
    divergence: divergence(final, logits),
    entropy,
  };
  if (token === undefined || token >= logits.length) return cell;
  const own = logits[token] as number;
  let rank = 0;
  for (const logit of logits) if (logit > own) rank++;
  return { ...cell, probability: probability(token), rank };
}

/** Ids of the `count` largest values, from the largest. */
function largest(values: Float32Array, count: number): number[] {
  const best: number[] = [];
  const at = (id: number | undefined): number => values[id ?? -1] ?? -Infinity;
  values.forEach((value, id) => {
    if (best.length === count && value <= at(best.at(-1))) return;
    const place = best.findIndex((other) => at(other) < value);
    best.splice(place < 0 ? best.length : place, 0, id);
    if (best.length > count) best.pop();
  });
  return best;
}
