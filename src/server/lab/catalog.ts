/** What is known before a model is there: cards with published scores, the benchmarks, and what evaluations on this machine found. */
import { CARDS, cardFor, memoryOf, publishedScores } from "../../catalog/cards.ts";
import { HUB_URL } from "../../catalog/download/hub.ts";
import { readMeasurements } from "../../catalog/measured.ts";
import { Store } from "../../catalog/store.ts";
import { isQuantized } from "../../engine/dtypes.ts";
import { readFinished, readSamples } from "../../evaluate/finished.ts";
import { GROUPS, TASKS } from "../../evaluate/groups.ts";
import { PUBLISHED } from "../../evaluate/published.ts";
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import { planQuantization, QUANTIZATIONS } from "../../model/quantize.ts";
import { defineRoute, JSON_TYPE, type Route } from "../http/route.ts";
import { findRun } from "./runs.ts";

/** Tokens of the cache in a card's memory. */
const MEMORY_TOKENS = 2048;

const catalog = defineRoute({
  method: "GET",
  path: "/v1/lab/catalog",
  summary:
    "Cards of known models: architecture, licence, memory, published scores; what was measured here",
  answers: [JSON_TYPE],
  async handle({ runs }) {
    const cards = CARDS.map((card) => ({
      ...card,
      memory: memoryOf(card, MEMORY_TOKENS),
      scores: publishedScores(card),
    }));
    const measured = await readMeasurements(runs.folders.runs);
    const stored = (await new Store(runs.folders.models).list()).flatMap(({ name, manifest }) => {
      if (manifest === undefined) return [];
      const { files, source, licence, lineage } = manifest;
      const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
      const card = (cardFor(name, source) ?? cardFor(source))?.id;
      return [{ name, source, licence, lineage, sizeBytes, card }];
    });
    const hub = runs.hubUrl ?? HUB_URL;
    return json({ cards, memoryTokens: MEMORY_TOKENS, measured, stored, hub });
  },
});

const quantizations = defineRoute({
  method: "GET",
  path: "/v1/lab/models/:id/quantizations",
  summary: "What quantising a model would give: sizes, and how many tensors of which types",
  answers: [JSON_TYPE],
  async handle({ fleet, params }) {
    const { model } = await fleet.inventory.find(params["id"]);
    const plans = [];
    for (const type of QUANTIZATIONS) {
      // Of a quantised model too: whether that is wanted is asked when it begins.
      const plan = await planQuantization({
        ...{ from: model.reference.path, type, allowRequantize: true },
      });
      const counts = new Map<string, number>();
      for (const { dtype } of plan.tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
      plans.push({
        ...{ type, sizeBytes: plan.sizeBytes, sourceBytes: plan.sourceBytes },
        tensors: Object.fromEntries(counts),
        isRequantized: plan.tensors.some(({ from }) => isQuantized(from)),
        instead: plan.tensors.filter(({ wanted }) => wanted !== undefined).length,
      });
    }
    return json({ plans });
  },
});

const tasks = defineRoute({
  method: "GET",
  path: "/v1/lab/tasks",
  summary:
    "Benchmarks: where their data comes from, under which licence, and what is published about them",
  answers: [JSON_TYPE],
  async handle() {
    return Promise.resolve(
      json({
        tasks: TASKS.map(({ name, shots, data, metrics }) => ({
          ...{ name, shots, data: data.hub, licence: data.licence },
          metrics: metrics.map(({ key }) => key),
        })),
        groups: GROUPS.map(({ name, title = name, members }) => ({
          ...{ name, title, members: members.map(({ task }) => task) },
        })),
        published: PUBLISHED,
      }),
    );
  },
});

const results = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id/results",
  summary: "What a finished evaluation came to, in lm-evaluation-harness' layout, with intervals",
  answers: [JSON_TYPE],
  async handle(context) {
    return json((await readFinished((await findRun(context)).folder)).results);
  },
});

const samples = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id/samples/:task",
  summary: "What happened to each item of a task",
  answers: [JSON_TYPE],
  async handle(context) {
    const task = context.params["task"] ?? "";
    // A task's name is a part of a file's.
    if (!/^\w{1,100}$/.test(task))
      throw new LabError("bad_input", `${JSON.stringify(task.slice(0, 100))} is no task's name`);
    const finished = await readFinished((await findRun(context)).folder);
    return json({ samples: await readSamples(finished, task) });
  },
});

function json(value: unknown): Response {
  return new Response(toJson(value), { headers: { "content-type": JSON_TYPE } });
}

export const CATALOG_ROUTES: readonly Route[] = [catalog, quantizations, tasks, results, samples];
