/** `philab patch`: which inner values carry an answer. */
import { z } from "zod";
import { formatNumber, formatTable } from "../../base/format.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import {
  METRICS,
  PATCH_SITES,
  patchSweep,
  TASK_NAMES,
  type PatchSweep,
} from "../../interpret/index.ts";
import type { Pair } from "../../interpret/pairs.ts";
import { tokenName } from "../../interpret/answers.ts";
import { patchPage } from "../../interpret/pages/patch-page.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { ANSWER_OPTIONS, pageFacts, writePage } from "../inspect.ts";
import { estimateSweep, type EstimatedSweep } from "../patch-estimate.ts";
import { openModel, provenance } from "../open-model.ts";
import { pairsOf } from "../pairs.ts";

export const command = defineCommand({
  description:
    "Activation patching: values of the clean run are put into the corrupted one, place by place, and what comes back of the answer is measured: 0 nothing, 1 all of it. Beside every place stands a control, a random change of the same size. Two prompts with --answer and --against, or a task that philab draws.",
  arguments: {
    clean: z.string().optional().describe("the prompt whose answer is right"),
    corrupted: z.string().optional().describe("its counterpart, of equally many tokens"),
  },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads"),
    ...ANSWER_OPTIONS,
    task: z.enum(TASK_NAMES).optional().describe("draw pairs of this task instead"),
    limit: FLAGS.limit.default(4),
    site: z
      .array(z.enum(PATCH_SITES as [(typeof PATCH_SITES)[number]]))
      .min(1)
      .default(["resid_pre", "z"])
      .describe("what is patched")
      .meta({ placeholder: "names" }),
    over: z
      .enum(["position", "head", "position+head"])
      .optional()
      .describe("positions or heads; heads for z, q, k, v and pattern by default"),
    direction: z
      .enum(["denoise", "noise"])
      .default("denoise")
      .describe("clean values into the corrupted run, or the other way round"),
    metric: z.enum(METRICS).default("logit_diff").describe("what is measured"),
    estimate: z
      .enum(["gradient", "ig"])
      .optional()
      .describe(
        "from gradients instead, and only the largest places in earnest; ig is integrated gradients",
      ),
    control: z.boolean().default(true).describe("random changes of equal size beside every patch"),
    ...flags("layer", "seed", "out"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab patch "When Mary and John went to the store, John gave a book to" "When Mary and John went to the store, Mary gave a book to" --answer " Mary" --against " John" --out patch.html',
      does: "where the name comes from, as a page",
    },
    { command: "philab patch --task ioi-classic --site z", does: "which heads, over four pairs" },
  ],
  async run(context) {
    const { options, settings, output, signal, commandLine } = context;
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    const pairs = pairsOf(context, model);
    const sweeps: PatchSweep[] = [];
    const estimates: EstimatedSweep[] = [];
    using progress = output.progress({ label: "patch", unit: "runs" });
    const chosen = {
      direction: options.direction,
      metric: options.metric,
      signal,
      ...(options.over === undefined ? {} : { over: options.over }),
      ...(options.layer === undefined ? {} : { layers: options.layer }),
    };
    for (const site of options.site) {
      if (options.estimate !== undefined) {
        const found = await estimateSweep(model, pairs, {
          ...chosen,
          site,
          method: options.estimate,
        });
        estimates.push(found);
        sweeps.push(found.sweep);
        continue;
      }
      sweeps.push(
        await patchSweep(model, pairs, {
          ...chosen,
          site,
          control: options.control,
          seed: settings.seed,
          onProgress: (done, total) => {
            progress.update(done, { total });
          },
        }),
      );
    }
    const remarks = estimates.map(({ remark }) => remark);
    const written = await writePage(context, options.out, () =>
      patchPage(
        { title: "What carries the answer", facts: pageFacts(opened, commandLine) },
        { model, pairs, sweeps, remarks },
      ),
    );
    output.result(
      {
        ...provenance(opened, commandLine),
        seed: settings.seed,
        pairs: pairs.map((pair) => ({ ...pair })),
        sweeps: sweeps.map(({ values, control, baselines, ...sweep }) => ({
          ...sweep,
          baselines: { ...baselines },
          values: [...values],
          control: control === undefined ? null : [...control],
        })),
        ...(estimates.length === 0
          ? {}
          : {
              estimates: estimates.map(({ sweep, verified, rankCorrelations }) => ({
                site: sweep.site,
                verified: verified.map((places) => places.map((place) => ({ ...place }))),
                rankCorrelations,
              })),
            }),
        ...written,
      },
      () =>
        sweeps
          .map((sweep, i) => [tableOf(sweep, model, pairs), ...remarks.slice(i, i + 1)].join("\n"))
          .join("\n\n"),
    );
  },
});

const SHOWN = 8;

/** The places that recover most. */
function tableOf(sweep: PatchSweep, model: LanguageModel, pairs: readonly Pair[]): string {
  const { axes, shape, values, control, baselines, site, layers } = sweep;
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  const change = (value: number): number => (sweep.direction === "denoise" ? value : 1 - value);
  const order = [...values.keys()].sort(
    (a, b) => Math.abs(change(values[b] as number)) - Math.abs(change(values[a] as number)),
  );
  const place = (i: number): string => {
    const layer = `L${layers[Math.floor(i / size)]}`;
    const head = axes.includes("head") ? `H${i % (shape.at(-1) as number)}` : "";
    if (!axes.includes("position")) return layer + head;
    const position = axes.includes("head")
      ? Math.floor((i % size) / (shape.at(-1) as number))
      : i % size;
    const id = pairs.length === 1 ? pairs[0]?.clean[position] : undefined;
    return `${layer}${head} at ${position}${id === undefined ? "" : ` ${JSON.stringify(tokenName(model, id))}`}`;
  };
  const table = formatTable(
    [
      { title: site },
      { title: "recovered", align: "right" },
      ...(control === undefined ? [] : [{ title: "random change", align: "right" as const }]),
    ],
    order
      .slice(0, SHOWN)
      .map((i) => [
        place(i),
        formatNumber(values[i] as number, 3),
        ...(control === undefined ? [] : [formatNumber(control[i] as number, 3)]),
      ]),
  );
  return `${table}\n${sweep.metric.replace("_", " ")}: clean ${formatNumber(baselines.clean)}, corrupted ${formatNumber(baselines.corrupted)}`;
}
