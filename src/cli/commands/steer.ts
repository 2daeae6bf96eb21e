/** `philab steer`: a direction in the stream, and what adding it does. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { doseResponse, steer, steeringVector, type SteeringVector } from "../../interpret/index.ts";
import { answerToken } from "../../interpret/answers.ts";
import { steerPage, type SteeredText } from "../../interpret/pages/steer-page.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { ANSWER_OPTIONS, answerOf, pageFacts, promptOf, writePage } from "../inspect.ts";
import { openModel, provenance } from "../open-model.ts";

const side = (what: string) =>
  z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(what)
    .meta({ verbatim: true, placeholder: "text" });

export const command = defineCommand({
  description:
    "Reads the stream after one block at the end of texts on two sides, takes the difference of their means (or, for pairs, its principal direction), adds it to the stream at several strengths, and measures an answer and the KL from the model that is left alone, beside random directions of the same length.",
  arguments: { prompt: z.string().optional().describe("the text that is steered") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "tokens"),
    positive: side("a text on the side to steer towards; give several"),
    negative: side("a text on the other side"),
    method: z
      .enum(["means", "pairs"])
      .default("means")
      .describe("difference of means, or principal direction of the differences in order"),
    layer: z
      .int()
      .min(0)
      .optional()
      .describe("the block after which it is added; the middle one by default"),
    strength: z
      .array(z.number())
      .min(1)
      .default([-2, -1, 0, 1, 2])
      .describe("multiples of the vector")
      .meta({ placeholder: "numbers" }),
    ...ANSWER_OPTIONS,
    maxTokens: FLAGS.maxTokens.default(16),
    ...flags("seed", "out"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab steer "When Mary and John went to the store, John gave a book to" --positive "When Mary and John went to the park, John gave a pen to" --negative "When Mary and John went to the park, Mary gave a pen to" --answer " Mary" --against " John" --out steer.html',
      does: "what a direction between two names does, as a page",
    },
  ],
  async run(context) {
    const { options, settings, output, signal, commandLine } = context;
    const prompt = promptOf(context);
    const { positive, negative, answer, against, method } = options;
    if (positive === undefined || negative === undefined)
      throw new LabError("bad_input", "texts on two sides are needed", {
        hint: "Add --positive 'I love it' --negative 'I hate it', each as often as you like.",
      });
    if (answer === undefined || against === undefined)
      throw new LabError("bad_input", "no answers were given", {
        hint: "Add --answer ' Mary' --against ' John': what is measured.",
      });
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    const layer = options.layer ?? Math.floor(model.config.layers / 2);
    const vector = await steeringVector(model, { positive, negative }, { layer, method, signal });
    const answered = {
      clean: model.promptIds(prompt),
      right: [answerToken(model, prompt, answerOf(answer, prompt))],
      wrong: [answerToken(model, prompt, answerOf(against, prompt))],
    };
    const strengths = [...new Set(options.strength)].sort((a, b) => a - b);
    const response = await doseResponse(model, vector, [answered], {
      strengths,
      seed: settings.seed,
      signal,
    });
    const texts = await steeredTexts(model, answered.clean, {
      vector,
      strengths,
      maxTokens: options.maxTokens,
      signal,
    });
    const { values, ...summary } = vector;
    const written = await writePage(context, options.out, () =>
      steerPage(
        {
          title: "What a direction does",
          facts: pageFacts(opened, commandLine, [
            ["added after block", String(layer)],
            [
              "length of the vector",
              `${formatNumber(vector.norm)}; streams ${formatNumber(vector.streamNorm)}`,
            ],
          ]),
        },
        { response, texts, prompt: typeof prompt === "string" ? prompt : prompt.join(", ") },
      ),
    );
    output.result(
      {
        ...provenance(opened, commandLine),
        seed: settings.seed,
        vector: { ...summary, values: [...values] },
        metric: response.metric,
        steered: response.steered.map((dose) => ({ ...dose })),
        control: response.control.map((dose) => ({ ...dose })),
        texts: texts.map((text) => ({ ...text })),
        ...written,
      },
      () =>
        formatTable(
          [
            { title: "strength", align: "right" },
            { title: "logit diff", align: "right" },
            { title: "random", align: "right" },
            { title: "KL", align: "right" },
            { title: "random", align: "right" },
          ],
          response.steered.map((dose, i) => [
            String(dose.strength),
            formatNumber(dose.metric),
            formatNumber(response.control[i]?.metric ?? NaN),
            formatNumber(dose.divergence, 3),
            formatNumber(response.control[i]?.divergence ?? NaN, 3),
          ]),
        ),
    );
  },
});

/** What the model writes at each strength, greedily. */
async function steeredTexts(
  model: LanguageModel,
  ids: readonly number[],
  {
    vector,
    strengths,
    maxTokens,
    signal,
  }: {
    vector: SteeringVector;
    strengths: readonly number[];
    maxTokens: number;
    signal: AbortSignal;
  },
): Promise<SteeredText[]> {
  if (!model.hasTokenizer) return [];
  const texts: SteeredText[] = [];
  for (const strength of strengths) {
    const { text } = await model.complete(ids, {
      maxTokens,
      signal,
      edits: [steer(vector, strength)],
    });
    texts.push({ strength, text });
  }
  return texts;
}
