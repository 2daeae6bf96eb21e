import { LabError } from "../base/errors.ts";
import type { SamplingSettings } from "./sampling-options.ts";

type PenaltySettings = Pick<
  SamplingSettings,
  "logitBias" | "repetitionPenalty" | "frequencyPenalty" | "presencePenalty"
>;

/**
 * What changes logits because of the text so far, and the logit bias.
 *
 * - repetition (Keskar et al. 2019, CTRL; Hugging Face's formula): logits of tokens anywhere in prompt or answer are
 *   divided by the penalty, or multiplied with it when below 0
 * - frequency and presence (OpenAI's formula): count · frequency + presence is subtracted from the logits of tokens of
 *   the answer; the prompt does not count
 */
export class Penalties {
  readonly #settings: PenaltySettings;
  readonly #bias: readonly (readonly [number, number])[];
  /** Tokens of prompt and answer. */
  readonly #seen = new Set<number>();
  /** Times that the answer has a token. */
  readonly #counts = new Map<number, number>();
  /** Whether logits ever change. */
  readonly active: boolean;

  constructor(settings: PenaltySettings) {
    this.#settings = settings;
    this.#bias = Object.entries(settings.logitBias).map(([id, bias]) => [Number(id), bias]);
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = settings;
    this.active =
      this.#bias.length > 0 ||
      repetitionPenalty !== 1 ||
      frequencyPenalty !== 0 ||
      presencePenalty !== 0;
  }

  /** Notes tokens of the text that were not sampled: the prompt. */
  observePrompt(ids: Iterable<number>): void {
    for (const id of ids) this.#seen.add(id);
  }

  /** Notes a sampled token. */
  observeSampled(id: number): void {
    this.#seen.add(id);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  /** Changes logits in place; `bad_input` when the bias names a token that is not among them. [V] */
  apply(logits: Float64Array): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#settings;
    for (const [id, bias] of this.#bias) {
      if (id >= logits.length)
        throw new LabError("bad_input", `logitBias names token ${id}`, {
          hint: `This model has tokens 0 to ${logits.length - 1}.`,
        });
      logits[id]! += bias;
    }
    if (repetitionPenalty !== 1)
      for (const id of this.#seen) {
        const logit = logits[id];
        if (logit === undefined) continue; // a padding row in a prompt of ids: never sampled
        logits[id] = logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty;
      }
    if (frequencyPenalty !== 0 || presencePenalty !== 0)
      for (const [id, count] of this.#counts)
        logits[id]! -= count * frequencyPenalty + presencePenalty;
  }
}
