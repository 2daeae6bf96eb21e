/** `philab attention`: where each head looks. */
import { z } from "zod";
import { formatNumber, formatTable } from "../../base/format.ts";
import {
  attentionPatterns,
  firstTokenShare,
  meanDistance,
  patternEntropy,
} from "../../interpret/index.ts";
import { attentionPage } from "../../interpret/pages/attention-page.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { pageFacts, promptOf, writePage } from "../inspect.ts";
import { openModel, provenance } from "../open-model.ts";

/** Patterns drawn on a page where nobody chose. */
const SHOWN = 12;

export const command = defineCommand({
  description:
    "Attention patterns of all heads, or of chosen layers and heads. The page draws the chosen ones, else those that look at the fewest tokens; the JSON has every pattern, row by row.",
  arguments: { prompt: z.string().optional().describe("the text to look into") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "tokens", "layer"),
    head: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe("heads, counted from 0")
      .meta({ placeholder: "0,3-5" }),
    ...flags("out"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab attention "When Mary and John went to the store, John gave a book to" --layer 3,4 --out attention.html',
      does: "the patterns of two layers, as a page",
    },
  ],
  async run(context) {
    const { options, output, signal, commandLine } = context;
    const prompt = promptOf(context);
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    const patterns = await attentionPatterns(model, prompt, {
      signal,
      ...(options.layer === undefined ? {} : { layers: options.layer }),
      ...(options.head === undefined ? {} : { heads: options.head }),
    });
    const chosen = options.layer !== undefined || options.head !== undefined;
    const shown = chosen
      ? patterns.heads
      : [...patterns.heads]
          .sort((a, b) => patternEntropy(a.pattern) - patternEntropy(b.pattern))
          .slice(0, SHOWN);
    const written = await writePage(context, options.out, () =>
      attentionPage(
        { title: "Where each head looks", facts: pageFacts(opened, commandLine) },
        { model, patterns, shown },
      ),
    );
    const rows = patterns.heads.map(({ layer, head, pattern }) => ({
      layer,
      head,
      entropyBits: patternEntropy(pattern),
      firstToken: firstTokenShare(pattern),
      distance: meanDistance(pattern),
    }));
    output.result(
      {
        ...provenance(opened, commandLine),
        ids: patterns.ids,
        heads: rows.map((row, i) => ({ ...row, pattern: [...(patterns.heads[i]?.pattern ?? [])] })),
        ...written,
      },
      () =>
        formatTable(
          [
            { title: "head" },
            { title: "entropy, bits", align: "right" },
            { title: "first token", align: "right" },
            { title: "distance", align: "right" },
          ],
          rows.map(({ layer, head, entropyBits, firstToken, distance }) => [
            `L${layer}H${head}`,
            formatNumber(entropyBits, 3),
            formatNumber(firstToken, 3),
            formatNumber(distance, 3),
          ]),
        ),
    );
  },
});
