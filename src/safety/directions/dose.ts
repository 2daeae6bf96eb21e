/** What a control vector does to a behaviour at several strengths, beside random vectors as long. */
import type { LanguageModel } from "../../generate/language-model.ts";
import { divergence } from "../../interpret/index.ts";
import { randomDirection } from "../../interpret/logit-attribution.ts";
import type { Edit } from "../../model/hooks/edits.ts";
import { isRefusal } from "../behaviour/refusals.ts";
import { controlEdits, type ControlVector } from "./control-vector.ts";
import { textsLoss } from "./cost.ts";
import { behaviourScore, nextLogits, type Contrast } from "./select.ts";

export interface SafetyDose {
  strength: number;
  /** Mean log odds that an answer begins with the behaviour, and the share of greedy answers with a phrase of a refusal. */
  positive: { score: number; refused: number };
  negative: { score: number; refused: number };
  /** Mean KL in nats of the next token on negative prompts. */
  divergence: number;
  /** Nats per token of other texts; absent where there are none. */
  loss?: number;
}

export interface DoseOptions {
  tokens: readonly number[];
  strengths: readonly number[];
  /** Tokens of an answer. */
  maxTokens: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: (done: number, total: number) => void;
}

/** Answers that are written together. */
const BATCH = 16;

export async function safetyDoses(
  model: LanguageModel,
  vector: ControlVector,
  { positive, negative, texts = [] }: Contrast & { texts?: readonly string[] },
  { tokens, strengths, maxTokens, seed, signal, onProgress }: DoseOptions,
): Promise<{ steered: SafetyDose[]; control: SafetyDose[] }> {
  const abort = signal === undefined ? {} : { signal };
  const alone = await nextLogits(model, negative, [], abort);
  const side = async (
    prompts: readonly string[],
    edits: readonly Edit[],
  ): Promise<SafetyDose["positive"] & { logits: Float32Array[] }> => {
    const logits = await nextLogits(model, prompts, edits, abort);
    const answers = prompts.map(() => "");
    for (let start = 0; start < prompts.length; start += BATCH)
      for await (const { index, text } of model.generateBatch(prompts.slice(start, start + BATCH), {
        ...{ maxTokens, edits, ...abort },
      }))
        answers[start + index] = (answers[start + index] ?? "") + text;
    return {
      logits,
      score: mean(logits.map((own) => behaviourScore(own, tokens))),
      refused: answers.filter(isRefusal).length / prompts.length,
    };
  };
  const dose = async (of: ControlVector, strength: number): Promise<SafetyDose> => {
    const edits = strength === 0 ? [] : controlEdits(of, strength);
    const { logits: _, ...up } = await side(positive, edits);
    const { logits, ...down } = await side(negative, edits);
    return {
      ...{ strength, positive: up, negative: down },
      divergence: mean(logits.map((own, i) => divergence(alone[i] as Float32Array, own))),
      ...(texts.length === 0 ? {} : { loss: await textsLoss(model, texts, edits, abort) }),
    };
  };
  const random: ControlVector = new Map(
    [...vector].map(([block, values]) => [
      block,
      Float32Array.from(randomDirection(values, seed + block)),
    ]),
  );
  const [steered, control]: SafetyDose[][] = [[], []];
  for (const [i, strength] of strengths.entries()) {
    signal?.throwIfAborted();
    steered?.push(await dose(vector, strength));
    control?.push(await dose(random, strength));
    onProgress?.(i + 1, strengths.length);
  }
  return { steered: steered ?? [], control: control ?? [] };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
