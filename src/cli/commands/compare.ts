/** `philab compare`: models side by side, by their cards, by what evaluations found here, and by their speed. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatBytes, formatPercent, formatShort, formatTable } from "../../base/format.ts";
import { didYouMean } from "../../base/suggest.ts";
import { visibleLine } from "../../base/terminal.ts";
import { CARDS, cardFor, memoryOf, publishedScores, type ModelCard } from "../../catalog/cards.ts";
import { readMeasurements, type Measurement } from "../../catalog/measured.ts";
import { Store, type Manifest, type StoredModel } from "../../catalog/store.ts";
import { readModelFacts, type ModelFacts } from "../../catalog/stored-facts.ts";
import { measureSpeed } from "../../generate/benchmark.ts";
import { findModel } from "../../open.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel } from "../open-model.ts";

const COMPARED_TOKENS = 2048;
const MEMORY_TYPES = ["f16", "q8_0", "q4_k_m"] as const;
/** Enough for a stable figure, and in the context of the smallest. */
const SPEED = { promptTokens: 128, decodeTokens: 32, repeats: 3 };

/** Tokens a second. */
type Speed = { read: number; write: number };

interface Column extends ModelFacts {
  name: string;
  card: ModelCard | undefined;
  licence: string | undefined;
  lineage: Manifest["lineage"];
  published: ReturnType<typeof publishedScores>;
  measured: Measurement[];
  /** Of models that lie here, where it was asked for. */
  speed: Speed | undefined;
}

type Context = Omit<CommandContext, "args" | "options">;

export const command = defineCommand({
  description:
    "Cards side by side, and models of yours beside them: size, memory at 2,048 tokens, what they were made of, published scores, what runs on this machine have measured, and with --speed how fast they are here.",
  arguments: { models: z.array(z.string().min(1)).min(2).describe("cards, or names in the store") },
  options: {
    speed: z
      .boolean()
      .default(false)
      .describe("read 128 tokens and write 32 with each model that lies here"),
    ...flags("mode", "device", "threads"),
  },
  examples: [
    { command: "philab compare phi-2 phi-1.5 llama-2-7b", does: "three cards" },
    {
      command: "philab compare phi-nano phi-micro --speed",
      does: "two models, and how fast they are on this machine",
    },
  ],
  async run({ args, options, ...context }) {
    const { folders, output } = context;
    const stored = await new Store(folders.models).list();
    const measured = await readMeasurements(folders.runs);
    const columns: Column[] = [];
    for (const name of args.models) {
      const model = stored.find((one) => one.name === name);
      columns.push({
        ...(await factsOf(name, model, context)),
        measured: measured.filter((one) => one.model === name),
        speed: options.speed ? await speedOf(name, model, context) : undefined,
      });
    }
    const models = columns.map((one) => ({
      ...{ ...one, card: one.card ?? null, licence: one.licence ?? null, speed: one.speed ?? null },
      memory: memoryOf(one, COMPARED_TOKENS),
    }));
    output.result({ models }, () => tableOf(columns));
  },
});

/** Of a card, or of a model that lies here and has none. */
async function factsOf(
  name: string,
  model: StoredModel | undefined,
  { folders, cwd }: Context,
): Promise<Omit<Column, "measured" | "speed">> {
  const card = cardFor(name, model?.manifest?.source);
  if (card === undefined && model === undefined)
    throw new LabError("not_found", `there is no card of ${name}, and no such model in the store`, {
      hint:
        didYouMean(
          name,
          CARDS.map(({ id }) => id),
        ) ?? "philab list --cards and philab list show what there is.",
    });
  const facts = card ?? (await readModelFacts((await findModel(name, { folders, cwd })).path));
  return {
    ...{ name, card, parameters: facts.parameters, architecture: facts.architecture },
    licence: model?.manifest?.licence ?? card?.licence,
    lineage: model?.manifest?.lineage ?? [],
    published: card === undefined ? [] : publishedScores(card),
  };
}

async function speedOf(
  name: string,
  model: StoredModel | undefined,
  context: Context,
): Promise<Speed | undefined> {
  const { settings, output, signal } = context;
  // A card is no model; those that come with philab are both.
  if (model === undefined && cardFor(name)?.hub !== undefined) return undefined;
  const opened = await openModel({ ...context, settings: { ...settings, model: name } });
  await using own = opened.model;
  using progress = output.progress({ label: `measure ${name}`, unit: "rounds" });
  const { prefill, decode } = await measureSpeed(own, {
    ...{ ...SPEED, signal },
    onProgress: (done, total) => progress.update(done, { total }),
  });
  return { read: prefill, write: decode };
}

function tableOf(columns: readonly Column[]): string {
  const tasks = new Set(
    columns.flatMap((one) => [...one.published, ...one.measured].map(({ task }) => task)),
  );
  const row = (title: string, cell: (column: Column) => string): string[] => [
    title,
    ...columns.map((column) => visibleLine(cell(column))),
  ];
  const steps = new Set(columns.flatMap(({ lineage }) => lineage.map(({ what }) => what)));
  const rows = [
    row("parameters", ({ parameters }) => formatShort(parameters)),
    row("layers × width", ({ architecture: { layers, width } }) => `${layers} × ${width}`),
    row("context", ({ architecture }) => String(architecture.context)),
    row("licence", ({ licence }) => licence ?? ""),
    ...[...steps].map((step) =>
      row(step, ({ lineage }) =>
        lineage
          .filter(({ what }) => what === step)
          .map(({ from }) => from)
          .join(", "),
      ),
    ),
    ...MEMORY_TYPES.map((type) =>
      row(`memory ${type}`, (one) => formatBytes(memoryOf(one, COMPARED_TOKENS)[type] ?? 0)),
    ),
    ...[...tasks].map((task) =>
      row(task, ({ published, measured }) => {
        const said = published.find((one) => one.task === task);
        const found = measured.find((one) => one.task === task);
        return [said && formatPercent(said.value), found && `${formatPercent(found.value)} here`]
          .filter(Boolean)
          .join(", ");
      }),
    ),
  ];
  const speed = (title: string, of: (speed: Speed) => number): string[] =>
    row(title, (one) => (one.speed === undefined ? "" : `${of(one.speed).toFixed(1)} tok/s`));
  if (columns.some((one) => one.speed !== undefined))
    rows.push(
      speed(`reads ${SPEED.promptTokens}, here`, ({ read }) => read),
      speed(`writes ${SPEED.decodeTokens}, here`, ({ write }) => write),
    );
  const titles = columns.map(({ name }) => ({ title: visibleLine(name), align: "right" as const }));
  return formatTable([{ title: "" }, ...titles], rows);
}
