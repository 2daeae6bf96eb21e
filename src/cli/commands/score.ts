/** `philab score`: log-likelihood of given continuations. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { visibleLine } from "../../base/terminal.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Prompt and continuation are tokenised together, as lm-evaluation-harness does. Natural logarithms. All continuations are computed in one pass over the shared prompt.",
  arguments: {
    prompt: z.string().describe("what comes before"),
    continuations: z.array(z.string()).describe("texts to score after it"),
  },
  options: flags("model", "adapter", "mode", "device", "threads"),
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab score "When Mary and John went to the store, John gave a book to" " Mary" " John"',
      does: "which name is likelier",
    },
  ],
  async run(context) {
    const { args, output, signal, commandLine } = context;
    if (args.continuations.length === 0)
      throw new LabError("bad_input", "no continuation was given", {
        hint: 'philab score "2 + 2 =" " 4" " 5"',
      });
    const opened = await openModel(context);
    await using model = opened.model;
    const scores = await model.score(args.prompt, args.continuations, { signal });
    const rows = scores.map((score, i) => ({
      continuation: args.continuations[i] as string,
      logprob: score.logprob,
      perToken: score.logprob / Math.max(1, score.tokens.length),
      isGreedy: score.isGreedy,
      tokens: score.tokens.map((token) => ({ ...token })),
    }));
    output.result({ ...provenance(opened, commandLine), prompt: args.prompt, scores: rows }, () =>
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
