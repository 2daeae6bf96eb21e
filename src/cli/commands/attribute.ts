/** `philab attribute`: what wrote the answer. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { ATTRIBUTION_UNITS, logitAttribution } from "../../interpret/index.ts";
import { attributionPage } from "../../interpret/pages/attribution-page.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { ANSWER_OPTIONS, answerOf, pageFacts, promptOf, writePage } from "../inspect.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Direct logit attribution: the logit of an answer, or the difference of two, as a sum over what wrote to the stream. Beside each part stands what it has along a random direction of equal length.",
  arguments: { prompt: z.string().optional().describe("the text before the answer") },
  options: {
    ...flags("model", "mode", "device", "threads", "tokens"),
    ...ANSWER_OPTIONS,
    unit: z.enum(ATTRIBUTION_UNITS).default("head").describe("what counts as a part"),
    limit: FLAGS.limit.default(12),
    ...flags("seed", "out"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab attribute "When Mary and John went to the store, John gave a book to" --answer " Mary" --against " John" --out attribute.html',
      does: "which heads wrote Mary rather than John, as a page",
    },
  ],
  async run(context) {
    const { options, settings, output, signal, commandLine } = context;
    const prompt = promptOf(context);
    if (options.answer === undefined)
      throw new LabError("bad_input", "no answer was given", { hint: "Add --answer ' Mary'." });
    const opened = await openModel(context);
    await using model = opened.model;
    const found = await logitAttribution(model, prompt, {
      answer: answerOf(options.answer, prompt),
      against: options.against === undefined ? undefined : answerOf(options.against, prompt),
      unit: options.unit,
      seed: settings.seed,
      signal,
    });
    const written = await writePage(context, options.out, () =>
      attributionPage(
        { title: "What wrote the answer", facts: pageFacts(opened, commandLine) },
        { model, found },
      ),
    );
    const { parts, ...rest } = found;
    const largest = [...parts].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    output.result(
      {
        ...provenance(opened, commandLine),
        seed: settings.seed,
        ...rest,
        against: rest.against ?? null,
        parts: parts.map((part) => ({ ...part })),
        ...written,
      },
      () =>
        [
          formatTable(
            [
              { title: "part" },
              { title: "logits", align: "right" },
              { title: "random direction", align: "right" },
            ],
            largest
              .slice(0, options.limit)
              .map(({ label, value, control }) => [
                label,
                formatNumber(value),
                formatNumber(control),
              ]),
          ),
          `${parts.length} parts and the constant ${formatNumber(rest.constant)} sum to ${formatNumber(rest.logit, 6)} (error ${rest.error.toExponential(1)})`,
        ].join("\n"),
    );
  },
});
