/** `philab score`: log-likelihood of given continuations. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { checkValue, fromText } from "../../base/schema.ts";
import { visibleLine } from "../../base/terminal.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Prompt and continuation are tokenised together, as lm-evaluation-harness does. Natural logarithms. All continuations are computed in one pass over the shared prompt. With --tokens every continuation is a list of ids, too.",
  arguments: {
    prompt: z.string().optional().describe("what comes before; with --tokens left out"),
    continuations: z.array(z.string()).optional().describe("texts to score after it"),
  },
  options: flags("model", "adapter", "mode", "device", "threads", "tokens"),
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab score "When Mary and John went to the store, John gave a book to" " Mary" " John"',
      does: "which name is likelier",
    },
    { command: "philab score --tokens 0,262,441 284 402,13", does: "ids instead of texts" },
  ],
  async run(context) {
    const { output, signal, commandLine } = context;
    const { prompt, continuations } = readTexts(context);
    const opened = await openModel(context, { adapter: context.options.adapter });
    await using model = opened.model;
    const scores = await model.score(prompt, continuations, { signal });
    const rows = scores.map((score, i) => ({
      continuation: continuations[i] as string | number[],
      logprob: score.logprob,
      perToken: score.logprob / Math.max(1, score.tokens.length),
      isGreedy: score.isGreedy,
      tokens: score.tokens.map((token) => ({ ...token })),
    }));
    output.result({ ...provenance(opened, commandLine), prompt, scores: rows }, () =>
      formatTable(
        [
          { title: "continuation" },
          { title: "tokens", align: "right" },
          { title: "logprob", align: "right" },
          { title: "per token", align: "right" },
          { title: "likeliest" },
        ],
        rows.map(({ continuation, tokens, logprob, perToken, isGreedy }) => [
          visibleLine(JSON.stringify(continuation)),
          String(tokens.length),
          formatNumber(logprob, 6),
          formatNumber(perToken, 6),
          isGreedy ? "yes" : "",
        ]),
      ),
    );
  },
});

/** Prompt and continuations: all texts, or with `--tokens` all ids. */
function readTexts({
  args: { prompt, continuations = [] },
  options: { tokens },
}: {
  args: { prompt?: string | undefined; continuations?: string[] | undefined };
  options: { tokens?: number[] | undefined };
}): { prompt: string | number[]; continuations: (string | number[])[] } {
  const texts = prompt === undefined ? [] : [prompt, ...continuations];
  if (texts.length < (tokens === undefined ? 2 : 1))
    throw new LabError(
      "bad_input",
      prompt === undefined ? "nothing to score was given" : "no continuation was given",
      { hint: 'Give a prompt and what may follow it: philab score "2 + 2 =" " 4" " 5"' },
    );
  if (tokens === undefined) return { prompt: texts[0] as string, continuations };
  const ids = FLAGS.tokens.unwrap();
  return {
    prompt: tokens,
    continuations: texts.map((text) => checkValue(ids, fromText(ids, text), "continuation")),
  };
}
