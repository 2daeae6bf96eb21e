/** `/v1/lab/runs`: work on record. Runs of the command line and of the server are the same folders. */
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import { listRuns, readRun, runEvents } from "../../jobs/runs.ts";
import { eventStream } from "../http/event-stream.ts";
import { defineRoute, EVENTS_TYPE, JSON_TYPE, type Route } from "../http/route.ts";

async function find(runsFolder: string, id: string): Promise<Awaited<ReturnType<typeof readRun>>> {
  // Among those that are there: an id is a name, never a path.
  const run = (await listRuns(runsFolder)).runs.find(({ record }) => record.id === id);
  if (run !== undefined) return run;
  throw new LabError("not_found", `there is no run ${JSON.stringify(id)}`);
}

function json(value: unknown): Response {
  return new Response(toJson(value), { headers: { "content-type": JSON_TYPE } });
}

const list = defineRoute({
  method: "GET",
  path: "/v1/lab/runs",
  summary: "Trainings, evaluations, downloads: newest first",
  answers: [JSON_TYPE],
  async handle({ runsFolder }) {
    const { runs, unreadable } = await listRuns(runsFolder);
    return json({
      runs: runs.map(({ record }) => record),
      unreadable: unreadable.map(({ error }) => error.toJSON()),
    });
  },
});

const show = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id",
  summary: "One run",
  answers: [JSON_TYPE],
  async handle({ runsFolder, params }) {
    return json((await find(runsFolder, params["id"] ?? "")).record);
  },
});

const events = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id/events",
  summary: "A run's events, those to come too, until it ends",
  answers: [EVENTS_TYPE],
  async handle({ runsFolder, params, signal }) {
    const { folder } = await find(runsFolder, params["id"] ?? "");
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

export const RUN_ROUTES: readonly Route[] = [list, show, events];
