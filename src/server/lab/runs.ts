/** `/v1/lab/runs`: work on record. Runs of the command line and of the server are the same folders. */
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import { listRuns, readRun, runEvents, type Run } from "../../jobs/runs.ts";
import { readMetrics } from "../../train/metrics.ts";
import { eventStream } from "../http/event-stream.ts";
import {
  defineRoute,
  EVENTS_TYPE,
  JSON_TYPE,
  type Route,
  type RouteContext,
} from "../http/route.ts";
import { answersAs, RUN_KINDS } from "./run-kinds.ts";

type Context = Pick<RouteContext, "params" | "runs">;

/** The run that a path names. Throws `not_found`. */
export async function findRun({ params, runs }: Context): Promise<Run> {
  const id = params["id"] ?? "";
  // Among those that are there: an id is a name, never a path.
  const run = (await listRuns(runs.folders.runs)).runs.find(({ record }) => record.id === id);
  if (run !== undefined) return run;
  throw new LabError("not_found", `there is no run ${JSON.stringify(id)}`);
}

/** A run's record, and the name under which what it made answers. */
async function describe(run: Run, { fleet }: Pick<RouteContext, "fleet">): Promise<object> {
  return { ...run.record, answersAs: (await answersAs(run, fleet.inventory)) ?? null };
}

const list = defineRoute({
  method: "GET",
  path: "/v1/lab/runs",
  summary: "Trainings, evaluations, downloads: newest first",
  answers: [JSON_TYPE],
  async handle(context) {
    const { runs, unreadable } = await listRuns(context.runs.folders.runs);
    return json({
      runs: await Promise.all(runs.map((run) => describe(run, context))),
      unreadable: unreadable.map(({ error }) => error.toJSON()),
    });
  },
});

const show = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id",
  summary: "One run",
  answers: [JSON_TYPE],
  async handle(context) {
    return json(await describe(await findRun(context), context));
  },
});

const events = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id/events",
  summary: "A run's events, those to come too, until it ends",
  answers: [EVENTS_TYPE],
  async handle({ runs, params, signal }) {
    const { folder } = await findRun({ runs, params });
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    return eventStream(
      async ({ send }) => {
        for await (const event of runEvents(folder, { follow: true, signal: both })) send(event);
      },
      { last: "[DONE]", onCancel: () => stop.abort() },
    );
  },
});

const MAX_ROWS = 2_000;

const metrics = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id/metrics",
  summary: `What a training measured at each step; of long ones ${MAX_ROWS} steps, evenly spread`,
  answers: [JSON_TYPE],
  async handle(context) {
    const { folder } = await findRun(context);
    const rows = await readMetrics(path.join(folder, "metrics.jsonl"));
    const every = Math.ceil(rows.length / MAX_ROWS);
    const isKept = ({ evalLoss }: (typeof rows)[number], i: number): boolean =>
      evalLoss !== undefined || i % every === 0 || i === rows.length - 1;
    return json({ steps: rows.length, every, rows: rows.filter(isKept) });
  },
});

const begin = RUN_KINDS.map((kind) =>
  defineRoute({
    method: "POST",
    path: `/v1/lab/runs/${kind.kind}`,
    summary: kind.summary,
    body: kind.body,
    answers: [JSON_TYPE],
    async handle(context, body) {
      const { fleet, runs } = context;
      runs.queue.assertRoom();
      const { device, threads } = fleet.options;
      const run = await kind.create(body, {
        ...{ inventory: fleet.inventory, dataSets: runs.dataSets, folders: runs.folders },
        ...(runs.hubUrl === undefined ? {} : { hubUrl: runs.hubUrl }),
        settings: { device, ...(threads === undefined ? {} : { threads }) },
      });
      runs.queue.add(run);
      return json(await describe(run, context));
    },
  }),
);

const cancel = defineRoute({
  method: "POST",
  path: "/v1/lab/runs/:id/cancel",
  summary: "Stop a run that this server works on; what it has done is saved",
  answers: [JSON_TYPE],
  async handle(context) {
    const run = await findRun(context);
    await context.runs.queue.cancel(run);
    return json(await describe(await readRun(run.folder), context));
  },
});

const resume = defineRoute({
  method: "POST",
  path: "/v1/lab/runs/:id/resume",
  summary: "Go on with a run that was cancelled, failed, or was left by a program that ended",
  answers: [JSON_TYPE],
  async handle(context) {
    const run = await findRun(context);
    const { id, kind, state } = run.record;
    if (state === "done") throw new LabError("bad_input", `${id} is done`);
    if (!RUN_KINDS.some((known) => known.kind === kind))
      throw new LabError("unsupported", `runs of kind ${kind} are not resumed here`, {
        hint: `philab runs resume ${id}`,
      });
    if (state === "failed" || state === "cancelled") await context.runs.queue.released(id);
    if (state === "running" || context.runs.queue.has(id))
      throw new LabError("busy", `${id} is being worked on`);
    return json(await describe(await context.runs.queue.resume(run), context));
  },
});

const data = defineRoute({
  method: "GET",
  path: "/v1/lab/data",
  summary: "Data sets that runs may name",
  answers: [JSON_TYPE],
  async handle({ runs }) {
    return json({ data: await runs.dataSets.list() });
  },
});

function json(value: unknown): Response {
  return new Response(toJson(value), { headers: { "content-type": JSON_TYPE } });
}

export const RUN_ROUTES: readonly Route[] = [
  ...[list, show, events, metrics],
  ...[...begin, cancel, resume, data],
];
