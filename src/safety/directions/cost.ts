/** What an edit costs on texts that it is not about. */
import type { LanguageModel } from "../../generate/language-model.ts";
import type { Edit } from "../../model/hooks/edits.ts";

/** Mean negative log-likelihood per token after the first, over all texts, in nats, with edits in place. */
export async function textsLoss(
  model: LanguageModel,
  texts: readonly string[],
  edits: readonly Edit[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<number> {
  const { vocabSize } = model.config;
  let [sum, tokens] = [0, 0];
  for (const text of texts) {
    const ids = model.tokenizer.promptIds(text).slice(0, model.contextLength);
    if (ids.length < 2) continue;
    const run = await model.run(ids, {
      edits,
      capture: ["hook_logits"],
      ...(signal === undefined ? {} : { signal }),
    });
    const { values } = run.get("hook_logits"); // [T, V]
    for (let t = 0; t + 1 < ids.length; t++) {
      const row = values.subarray(t * vocabSize, (t + 1) * vocabSize);
      const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
      const total = row.reduce((all, value) => all + Math.exp(value - largest), 0);
      sum += largest + Math.log(total) - (row[ids[t + 1] as number] as number);
      tokens++;
    }
  }
  return sum / tokens;
}
