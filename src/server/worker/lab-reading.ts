/** What happens inside a model that is left alone, in its process. */
import {
  attentionPatterns,
  detectHeads,
  logitAttribution,
  logitLens,
  type AttributionPart,
  type HeadScores,
  type LogitAttribution,
  type LogitLens,
} from "../../interpret/index.ts";
import { tokenName } from "../../interpret/answers.ts";
import type {
  attentionRequest,
  attributeRequest,
  headsRequest,
  LabArguments,
  lensRequest,
} from "../lab/schemas.ts";
import { assertFits, assertPlain, tokensOf, type Asked } from "./lab-common.ts";
import type { OperationContext } from "./operations.ts";
import type { TokenText } from "./token-text.ts";

export async function labLens(
  { prompt, adapter: _adapter, ...options }: Asked<LabArguments<typeof lensRequest>>,
  { host, signal }: OperationContext,
): Promise<LogitLens & { tokens: TokenText[] }> {
  const { answer, top, positions } = options;
  const found = await logitLens(host.model, prompt, {
    ...{ answer, top, signal },
    ...(positions === undefined ? {} : { positions }),
  });
  return { ...found, tokens: tokensOf(host, found.ids) };
}

export interface AttentionAnswer {
  tokens: TokenText[];
  heads: { layer: number; head: number }[];
  /** `[heads, R, R]`: R tokens, or squares of `square` tokens. */
  values: Float32Array | Uint8Array;
  shape: [heads: number, rows: number, columns: number];
  /** Tokens on a side of what became one value. */
  square: number;
}

/** Patterns of all heads that are wanted, one after another. */
export async function labAttention(
  { prompt, layers, heads, size, dtype }: Asked<LabArguments<typeof attentionRequest>>,
  { host, signal }: OperationContext,
): Promise<AttentionAnswer> {
  const length = host.model.promptIds(prompt).length;
  const { layers: all, heads: each } = host.model.config;
  const count = (layers?.length ?? all) * (heads?.length ?? each);
  assertFits(4 * count * length ** 2, {
    what: "patterns",
    hint: "Ask for some layers or heads, or for a shorter prompt.",
  });
  const found = await attentionPatterns(host.model, prompt, {
    ...(layers === undefined ? {} : { layers }),
    ...(heads === undefined ? {} : { heads }),
    signal,
  });
  const square = Math.ceil(length / (size ?? length));
  const rows = Math.ceil(length / square);
  const shape: AttentionAnswer["shape"] = [found.heads.length, rows, rows];
  const values = new (dtype === "u8" ? Uint8Array : Float32Array)(shape[0] * rows ** 2);
  const scale = dtype === "u8" ? 255 : 1;
  found.heads.forEach(({ pattern }, i) => {
    const own = square === 1 ? pattern : largestOfSquares(pattern, { length, square, rows });
    if (scale === 1) values.set(own, i * own.length);
    else own.forEach((share, j) => (values[i * own.length + j] = Math.round(scale * share)));
  });
  const places = found.heads.map(({ layer, head }) => ({ layer, head }));
  return { tokens: tokensOf(host, found.ids), heads: places, values, shape, square };
}

/** A pattern `[T, T]` made smaller, so that a single bright place stays bright. */
function largestOfSquares(
  pattern: Float32Array,
  { length, square, rows }: { length: number; square: number; rows: number },
): Float32Array {
  const largest = new Float32Array(rows ** 2);
  for (let query = 0; query < length; query++)
    for (let key = 0; key <= query; key++) {
      const at = Math.floor(query / square) * rows + Math.floor(key / square);
      largest[at] = Math.max(largest[at] as number, pattern[query * length + key] as number);
    }
  return largest;
}

export async function labHeads(
  { prompt }: Asked<LabArguments<typeof headsRequest>>,
  { host, signal }: OperationContext,
): Promise<HeadScores[]> {
  return detectHeads(host.model, prompt, { signal });
}

export interface AttributeAnswer extends Omit<LogitAttribution, "answer" | "against"> {
  answer: string;
  against: string | null;
  /** Parts that were not sent. */
  others: { count: number; value: number };
}

/** The largest parts, in the order of the model. */
export async function labAttribute(
  { prompt, limit, adapter, ...options }: Asked<LabArguments<typeof attributeRequest>>,
  { host, signal }: OperationContext,
): Promise<AttributeAnswer> {
  assertPlain(adapter);
  const { model } = host;
  const found = await logitAttribution(model, prompt, { ...options, signal });
  const bySize = (a: AttributionPart, b: AttributionPart): number =>
    Math.abs(b.value) - Math.abs(a.value);
  const kept = new Set([...found.parts].sort(bySize).slice(0, limit));
  const others = found.parts.filter((part) => !kept.has(part));
  return {
    ...found,
    answer: tokenName(model, found.answer),
    against: found.against === undefined ? null : tokenName(model, found.against),
    parts: found.parts.filter((part) => kept.has(part)),
    others: { count: others.length, value: others.reduce((sum, { value }) => sum + value, 0) },
  };
}
