/** What `/v1/lab` is asked and what it answers, in the words of the server's own sources. */
import type { HeadScores, LogitLens } from "../../../src/interpret/index.ts";
import type { AttributeAnswer } from "../../../src/server/worker/lab-reading.ts";
import type { TokenText } from "../../../src/server/worker/token-text.ts";
import { postArrays, postJson } from "./client.ts";

export type {
  PatchAnswer,
  PatchEvent,
  VectorAnswer,
} from "../../../src/server/worker/lab-changing.ts";
export type { DoseResponse, HeadScores, LogitLens } from "../../../src/interpret/index.ts";
export type { AttributeAnswer, TokenText };

/** Who is asked about which text. */
export interface Subject {
  model?: string | undefined;
  prompt: string;
}

type Ask = AbortSignal | undefined;
const signalOf = (signal: Ask): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };

export interface Lens extends LogitLens {
  tokens: TokenText[];
}

export async function askLens(subject: Subject & { answer?: string }, signal?: Ask): Promise<Lens> {
  return postJson<Lens>("/v1/lab/lens", { ...subject, top: 5 }, signalOf(signal));
}

export async function askHeads(subject: Subject, signal?: Ask): Promise<HeadScores[]> {
  const { heads } = await postJson<{ heads: HeadScores[] }>(
    "/v1/lab/heads",
    subject,
    signalOf(signal),
  );
  return heads;
}

export async function askAttribution(
  request: Subject & {
    answer: string;
    against?: string | undefined;
    unit: "head" | "neuron";
    position: number;
    limit?: number;
  },
  signal?: Ask,
): Promise<AttributeAnswer> {
  return postJson<AttributeAnswer>("/v1/lab/attribute", request, signalOf(signal));
}

/** Patterns of heads, `[heads, rows, rows]`. */
export interface Patterns {
  heads: { layer: number; head: number }[];
  rows: number;
  /** From 0 to `full`. */
  values: Float32Array | Uint8Array;
  full: 1 | 255;
}

export async function askPatterns(
  request: Subject & {
    layers?: number[];
    heads?: number[];
    size?: number;
    dtype?: "u8";
  },
  signal?: Ask,
): Promise<Patterns> {
  const { arrays, metadata } = await postArrays("/v1/lab/attention", request, signalOf(signal));
  const { shape = [], values = new Uint8Array() } = arrays.get("pattern") ?? {};
  return {
    heads: metadata["heads"] as Patterns["heads"],
    rows: shape[1] ?? 0,
    values: values as Patterns["values"],
    full: request.dtype === "u8" ? 255 : 1,
  };
}

/** Lengths of the stream before every block and at the end, `[L + 1][T]`, and of what attention and MLP add, `[L][T]`. */
export interface StreamNorms {
  stream: number[][];
  attention: number[][];
  mlp: number[][];
}

export async function askNorms(
  { prompt, model }: Subject,
  layers: number,
  signal?: Ask,
): Promise<StreamNorms> {
  const norm = (at: string): object => ({ at, reduce: "norm" });
  const last = `blocks.${layers - 1}.hook_resid_post`;
  const { arrays } = await postArrays(
    "/v1/lab/capture",
    {
      ...{ prompts: prompt, model },
      capture: [
        norm("blocks.*.hook_resid_pre"),
        norm("blocks.*.hook_attn_out"),
        norm("blocks.*.hook_mlp_out"),
        norm(last),
      ],
    },
    signalOf(signal),
  );
  const row = (name: string): number[] => [...(arrays.get(name)?.values ?? [])];
  const each = (hook: string): number[][] =>
    Array.from({ length: layers }, (_, layer) => row(`blocks.${layer}.${hook}.norm`));
  return {
    stream: [...each("hook_resid_pre"), row(`${last}.norm`)],
    attention: each("hook_attn_out"),
    mlp: each("hook_mlp_out"),
  };
}
