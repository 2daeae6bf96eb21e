/** `/v1/lab/*`: what is measured about safety, what stands beside it, and directions that are kept. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import { readControlVector, writeControlVector } from "../../safety/directions/control-vector.ts";
import { readFinishedSafety } from "../../safety/finished.ts";
import { STAND_INS } from "../../safety/stand-ins.ts";
import { ANNOUNCED, GPT2, PUBLISHED_AVERAGES } from "../../safety/toxigen/published.ts";
import { SIGNIFICANCE } from "../../safety/toxigen/scores.ts";
import { eventStream } from "../http/event-stream.ts";
import { defineRoute, EVENTS_TYPE, JSON_TYPE, type Route, type RunService } from "../http/route.ts";
import { dataName } from "./data-sets.ts";
import { findRun } from "./runs.ts";
import { directionRequest } from "./schemas.ts";

/** What `safety behave` reads. */
const PROMPT_ENDINGS = [".csv", ".jsonl", ".json", ".parquet"];
const VECTOR_ENDING = ".gguf";

const overview = defineRoute({
  method: "GET",
  path: "/v1/lab/safety",
  summary:
    "What safety can be measured on: files of PHILAB_HOME/data, control vectors; what is published",
  answers: [JSON_TYPE],
  async handle({ runs: { dataSets } }) {
    return json({
      standIns: STAND_INS,
      files: await dataSets.files(PROMPT_ENDINGS),
      vectors: await vectorsOf(dataSets),
      toxigen: {
        significance: SIGNIFICANCE,
        announced: ANNOUNCED,
        groups: GPT2,
        averages: PUBLISHED_AVERAGES,
      },
    });
  },
});

const results = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id/safety",
  summary:
    "What a finished run about safety came to, with the sentences, prompts and answers behind it",
  answers: [JSON_TYPE],
  async handle(context) {
    const { folder, record } = await findRun(context);
    return json(await readFinishedSafety(folder, record));
  },
});

const direction = defineRoute({
  method: "POST",
  path: "/v1/lab/direction",
  summary:
    "The direction that a behaviour goes by: every block's, tried, beside a random one as long",
  body: directionRequest,
  answers: [JSON_TYPE, EVENTS_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    const args = { ...body, adapter };
    if (!body.stream) return json(await model.call("labDirection", args, { signal }));
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    return eventStream(
      async ({ send }) => {
        const result = await model.call("labDirection", args, { signal: both, onEvent: send });
        send({ result });
      },
      { last: "[DONE]", onCancel: () => stop.abort() },
    );
  },
});

const MAX_WIDTH = 65_536;

const keep = defineRoute({
  method: "POST",
  path: "/v1/lab/vectors",
  summary:
    "Keep a direction as a control vector that repeng and llama.cpp read, in PHILAB_HOME/data",
  body: z.strictObject({
    name: dataName.describe("of the file, without its ending"),
    layer: z.int().min(0).describe("the block whose input it was read from"),
    values: z.array(z.number()).min(1).max(MAX_WIDTH),
  }),
  answers: [JSON_TYPE],
  async handle({ runs: { dataSets } }, { name, layer, values }) {
    const file = await dataSets.vacant(`${name}${VECTOR_ENDING}`);
    await mkdir(path.dirname(file), { recursive: true });
    // What enters a block is what the one before it writes out.
    await writeControlVector(file, new Map([[layer - 1, Float32Array.from(values)]]));
    return json({ name: path.basename(file), file });
  },
});

const show = defineRoute({
  method: "GET",
  path: "/v1/lab/vectors/:name",
  summary: "A control vector of PHILAB_HOME/data: the blocks that it changes, and their directions",
  answers: [JSON_TYPE],
  async handle({ runs: { dataSets }, params }) {
    const name = dataName.safeParse(params["name"] ?? "");
    if (!name.success || !name.data.endsWith(VECTOR_ENDING))
      throw new LabError("bad_input", `a control vector's name ends in ${VECTOR_ENDING}`);
    const vector = await readControlVector(await dataSets.findFile(name.data));
    // By the block whose input it is, as a direction is found.
    const directions = [...vector].map(([block, values]) => ({
      ...{ layer: block + 1, values: [...values] },
    }));
    return json({ name: name.data, directions });
  },
});

/** Files that are control vectors; a model of that ending is none. */
async function vectorsOf(
  dataSets: RunService["dataSets"],
): Promise<{ name: string; layers: number[]; width: number }[]> {
  const names = (await dataSets.files([VECTOR_ENDING])).filter((name) => !name.includes("/"));
  const found = await Promise.all(
    names.map(async (name) => {
      const vector = await readControlVector(await dataSets.findFile(name)).catch(() => undefined);
      if (vector === undefined) return [];
      const layers = [...vector.keys()].map((block) => block + 1);
      return [{ name, layers, width: [...vector.values()][0]?.length ?? 0 }];
    }),
  );
  return found.flat();
}

function json(value: unknown): Response {
  return new Response(toJson(value), { headers: { "content-type": JSON_TYPE } });
}

export const SAFETY_ROUTES: readonly Route[] = [overview, results, direction, keep, show];
