/** The stage `perplexity`: bits that a model needs for each byte of a text's beginning, as a score for `top`. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { withScores } from "../document.ts";
import type { Stage, Verdict } from "../stage.ts";

export const perplexityOptions = z.strictObject({
  model: z.string().min(1).optional().describe("default: the bundled model"),
  maxCharacters: z.int().min(16).default(512).describe("of a text's beginning that are read"),
});
export type PerplexityOptions = z.output<typeof perplexityOptions>;

export function createPerplexity({ model: name, maxCharacters }: PerplexityOptions): Stage {
  return {
    name: "perplexity",
    options: { model: name ?? null, maxCharacters },
    async open({ openModel, signal }) {
      const model = await openModel?.(name);
      if (model === undefined)
        throw new LabError("unsupported", "perplexity wants a model, and none can be opened here");
      return {
        async apply(documents) {
          const verdicts: Verdict[] = [];
          for (const document of documents) {
            // The first character is the prompt: a model without a start token says nothing of it.
            const text = document.text.slice(0, maxCharacters);
            const rest = text.slice(1);
            const options = signal === undefined ? {} : { signal };
            const [score] = await model.score(text.slice(0, 1), [rest], options);
            const bits = -(score?.logprob ?? 0) / Math.LN2 / Math.max(1, Buffer.byteLength(rest));
            verdicts.push({ document: withScores(document, { "perplexity.bits": bits }) });
          }
          return verdicts;
        },
      };
    },
  };
}
