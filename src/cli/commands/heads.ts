/** `philab heads`: what kind of head each one is, and which work together. */
import { z } from "zod";
import { formatNumber, formatTable } from "../../base/format.ts";
import {
  compositionScores,
  COMPOSITIONS,
  createTask,
  detectHeads,
  DETECTORS,
  headCircuits,
  openWeights,
  type HeadScores,
} from "../../interpret/index.ts";
import { DETECTOR_NAMES, headsPage, type ComposedPair } from "../../interpret/pages/heads-page.ts";
import type { LanguageModel, Prompt } from "../../generate/language-model.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { pageFacts, promptOf, writePage } from "../inspect.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Scores every head as a previous-token, duplicate-token and induction head, as TransformerLens' detect_head does, and finds the pairs of heads that compose most (Elhage et al. 2021). Without a prompt random tokens are read that repeat, which shows induction best.",
  arguments: {
    prompt: z.string().optional().describe("a text; random repeated tokens by default"),
  },
  options: {
    ...flags("model", "mode", "device", "threads", "tokens"),
    limit: FLAGS.limit.default(15),
    ...flags("seed", "out"),
  },
  defaults: { mode: "reference" },
  examples: [
    { command: "philab heads --out heads.html", does: "every head of the model, as a page" },
  ],
  async run(context) {
    const { args, options, settings, output, signal, commandLine } = context;
    const opened = await openModel(context);
    await using model = opened.model;
    const hasPrompt = args.prompt !== undefined || options.tokens !== undefined;
    const prompt: Prompt = hasPrompt ? promptOf(context) : repeated(model, settings.seed);
    const heads = await detectHeads(model, prompt, { signal });
    const composed = toCompose(model, heads);
    if (composed.length < heads.length)
      output.note(
        `compositions of the ${composed.length} heads that a detector ranks highest; all ${heads.length} would take long`,
      );
    const pairs = await composedPairs(model, composed);
    const chance = 1 / Math.sqrt(model.config.width);
    const strongest = pairs.slice(0, options.limit);
    const written = await writePage(context, options.out, () =>
      headsPage(
        {
          title: "What each head does",
          facts: pageFacts(opened, commandLine, [
            ["prompt", hasPrompt ? "given" : "random tokens, repeated"],
          ]),
        },
        { model, heads, pairs: strongest, chance },
      ),
    );
    output.result(
      {
        ...provenance(opened, commandLine),
        seed: settings.seed,
        ids: model.promptIds(prompt),
        heads: heads.map((head) => ({ ...head, scores: { ...head.scores } })),
        composedHeads: composed.map(({ layer, head }) => ({ layer, head })),
        compositions: pairs.map((pair) => ({ ...pair })),
        compositionByChance: chance,
        ...written,
      },
      () =>
        [
          ...DETECTORS.map((detector) => {
            const best = [...heads].sort((a, b) => b.scores[detector] - a.scores[detector]);
            return `${DETECTOR_NAMES[detector]}: ${best
              .slice(0, 4)
              .map(
                ({ layer, head, scores }) =>
                  `L${layer}H${head} ${formatNumber(scores[detector], 2)}`,
              )
              .join(", ")}`;
          }),
          "",
          formatTable(
            [{ title: "reads" }, { title: "through" }, { title: "composition", align: "right" }],
            strongest.map(({ earlier, later, through, score }) => [
              `${later} ← ${earlier}`,
              through,
              formatNumber(score, 3),
            ]),
          ),
          `by chance ${formatNumber(chance, 2)}`,
        ].join("\n"),
    );
  },
});

function repeated(model: LanguageModel, seed: number): readonly number[] {
  const [pair] = createTask(model, "induction", { count: 1, seed }).pairs;
  const start = (pair?.positions["copied"] ?? 0) > 0 ? pair : undefined;
  return start?.clean ?? [];
}

/** Heads whose compositions are worked out in a second or two; with more, only those that a detector ranks highest. */
const MAX_COMPOSED = { heads: 256, work: 1e10 };
const CHOSEN = 24;

/** Heads to compose: all of them, or of a large model those with the highest scores. */
function toCompose({ config }: LanguageModel, heads: readonly HeadScores[]): readonly HeadScores[] {
  const work = heads.length ** 2 * config.width * config.headSize ** 2;
  if (heads.length <= MAX_COMPOSED.heads && work <= MAX_COMPOSED.work) return heads;
  const best = ({ scores }: HeadScores): number => Math.max(...Object.values(scores));
  return [...heads].sort((a, b) => best(b) - best(a)).slice(0, CHOSEN);
}

async function composedPairs(
  model: LanguageModel,
  heads: readonly HeadScores[],
): Promise<ComposedPair[]> {
  const circuits = await headCircuits(await openWeights(model, "folded"), { heads });
  const names = circuits.map(({ layer, head }) => `L${layer}H${head}`);
  const pairs = COMPOSITIONS.flatMap((through) =>
    [...compositionScores(circuits, through)].flatMap((score, i): ComposedPair[] => {
      const [earlier, later] = [names[Math.floor(i / names.length)], names[i % names.length]];
      return score === 0 || earlier === undefined || later === undefined
        ? []
        : [{ through, earlier, later, score }];
    }),
  );
  return pairs.sort((a, b) => b.score - a.score);
}
