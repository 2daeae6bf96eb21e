/** How likely a model finds whole texts, a part of them at a time, kept on disk. */
import { LabError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { toJson } from "../base/json.ts";
import { ResponseLog } from "../evaluate/responses.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { planScores } from "../generate/score-plan.ts";

export interface TextLoss {
  /** Mean negative log-likelihood of the tokens after the first, in nats; NaN for fewer than two tokens. */
  loss: number;
  /** Tokens at its end that the context had no room for: they do not count. */
  left: number;
}

/** Texts between two lines of the log. */
const CHUNK = 256;

/**
 * The loss of each text by itself: no start token is put before it, and its first token is only read. What the log `file` holds
 * of an earlier attempt is not computed again.
 *
 * @throws LabError `bad_input` where the log is about other texts or another model, `interrupted`
 */
export async function textLosses(
  model: LanguageModel,
  texts: readonly string[],
  {
    file,
    signal,
    onProgress,
  }: { file: string; signal: AbortSignal; onProgress?: (done: number) => void },
): Promise<TextLoss[]> {
  const ids = texts.map((text) => model.tokenizer.encode(text));
  const requests = sha256(toJson({ model: model.fingerprint(), mode: model.mode, ids }));
  const units = Math.ceil(texts.length / CHUNK);
  await using log = await ResponseLog.open(file, { requests, units });
  for (let unit = 0; unit < units; unit++) {
    signal.throwIfAborted();
    if (!log.done.has(unit)) {
      const part = ids.slice(unit * CHUNK, (unit + 1) * CHUNK);
      const sums = await sumsOf(model, part, signal);
      await log.add(
        unit,
        sums.map((logprob) => ({ logprob, isGreedy: false })),
      );
    }
    onProgress?.(Math.min(texts.length, (unit + 1) * CHUNK));
  }
  return ids.map((own, i) => {
    const response = log.done.get(Math.floor(i / CHUNK))?.[i % CHUNK];
    if (response === undefined || !("logprob" in response))
      throw new LabError("corrupt_file", `${file} has no answer for text ${i}`);
    const length = Math.min(own.length, model.contextLength);
    return {
      loss: length < 2 ? NaN : -response.logprob / (length - 1),
      left: own.length - length,
    };
  });
}

/** Log-likelihoods of the tokens after the first; 0 where there are none. */
async function sumsOf(
  model: LanguageModel,
  lists: readonly (readonly number[])[],
  signal: AbortSignal,
): Promise<number[]> {
  const sums = lists.map(() => 0);
  const long = lists.flatMap((ids, place) => (ids.length < 2 ? [] : [{ ids, place }]));
  const requests = long.map(({ ids }) => ({
    context: ids.slice(0, 1),
    continuation: ids.slice(1, model.contextLength),
  }));
  for (const pass of planScores(requests, { capacity: model.contextLength }))
    for (const { index, logprob } of await model.scorePass(pass, { signal }))
      sums[long[index]?.place as number] = logprob;
  return sums;
}
