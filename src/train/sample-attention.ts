/** Where heads look while they are trained: patterns on one prompt, from the very weights under training. */
import { LabError } from "../base/errors.ts";
import { runPrompts } from "../generate/run.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import type { Trainee } from "./objective.ts";

export interface AttentionOptions {
  tokenizer: Tokenizer;
  prompt: string;
  signal?: AbortSignal;
}

/** As it stands among a run's samples. L layers, N heads, T tokens. */
export type AttentionSample = {
  prompt: string;
  layers: number;
  heads: number;
  /** The prompt's, as text. */
  tokens: string[];
  /** `[L, N, T, T]`, a byte for each share (255 is 1), base64. */
  attention: string;
};

/** What one look may add to a run's events. */
const MAX_BYTES = 2 ** 18;

/** Throws `bad_input` for a prompt whose patterns would swell the events. */
export function assertAttentionFits(
  { config }: Pick<Trainee, "config">,
  { tokenizer, prompt }: AttentionOptions,
): void {
  const length = tokenizer.promptIds(prompt).length;
  const bytes = config.layers * config.heads * length ** 2;
  if (bytes <= MAX_BYTES) return;
  const most = Math.floor(Math.sqrt(MAX_BYTES / config.layers / config.heads));
  throw new LabError(
    "bad_input",
    `attention is kept on the first sample prompt, which has ${length} tokens; ${most} is the most for this model`,
    { hint: "Give a shorter prompt first, or leave --sample-attention out." },
  );
}

export async function sampleAttention(
  trainee: Trainee,
  { tokenizer, prompt, signal }: AttentionOptions,
): Promise<AttentionSample> {
  using runner = trainee.runner();
  const ids = tokenizer.promptIds(prompt);
  const { layers, heads } = trainee.config;
  const run = await runPrompts(runner, [ids], {
    capture: ["blocks.*.attn.hook_pattern"],
    ...(signal === undefined ? {} : { signal }),
  });
  const size = heads * ids.length ** 2;
  const bytes = new Uint8Array(layers * size);
  for (let layer = 0; layer < layers; layer++) {
    const { values } = run.get(`blocks.${layer}.attn.hook_pattern`);
    bytes.set(
      Uint8Array.from(values, (share) => Math.round(255 * share)),
      layer * size,
    );
  }
  return {
    ...{ prompt, layers, heads, tokens: ids.map((id) => tokenizer.decode([id])) },
    attention: Buffer.from(bytes).toString("base64"),
  };
}
