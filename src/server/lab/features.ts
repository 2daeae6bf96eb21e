/** `/v1/lab/dictionaries` and what can be asked of features, graphs and circuits. Dictionaries are named, never paths. */
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import {
  findDictionary,
  listDictionaries,
  textsBeside,
  type KnownDictionary,
} from "../../catalog/dictionaries.ts";
import { readDossier, readSummaries } from "../../features/survey.ts";
import { ABLATIONS, readCircuit, TASK_NAMES } from "../../interpret/index.ts";
import { CIRCUIT_FILE } from "../../interpret/circuit/search.ts";
import { listRuns, type Run } from "../../jobs/runs.ts";
import { eventStream } from "../http/event-stream.ts";
import {
  defineRoute,
  EVENTS_TYPE,
  JSON_TYPE,
  type Route,
  type RouteContext,
} from "../http/route.ts";
import type { OperationName, ArgumentsOf, EventOf, ResultOf } from "../worker/protocol.ts";
import type { SupervisedModel } from "../fleet/supervised-model.ts";
import {
  circuitCheckRequest,
  featureRequest,
  featuresRequest,
  graphRequest,
  interveneRequest,
} from "./feature-schemas.ts";
import { findRun } from "./runs.ts";

type Context = Pick<RouteContext, "runs">;

/** The newest run of a kind that read with a dictionary and ended well. */
function newestReading(kind: string, dictionary: KnownDictionary, runs: readonly Run[]) {
  return runs.find(
    ({ record }) =>
      record.kind === kind &&
      record.state === "done" &&
      record.arguments["dictionary"] === dictionary.path,
  );
}

const dictionaries = defineRoute({
  method: "GET",
  path: "/v1/lab/dictionaries",
  summary: "Sparse autoencoders and transcoders that are here, and what each was found to be worth",
  answers: [JSON_TYPE],
  async handle({ runs: { folders } }) {
    const { runs } = await listRuns(folders.runs);
    const known = await listDictionaries(folders);
    const described = known.map(async (one) => {
      const { path: _path, labels, metadata, metrics, ...facts } = one;
      const measured = newestReading("sae-eval", one, runs)?.record.result as object | undefined;
      return {
        ...facts,
        model: typeof metadata["model_name"] === "string" ? metadata["model_name"] : null,
        modelHash: metadata["model_sha256"] ?? null,
        trainedOnTokens: metadata["training_tokens"] ?? null,
        metrics: measured === undefined ? metrics : numbersOf(measured),
        labels: Object.keys(labels).length,
        hasTexts: (await textsBeside(one.path)) !== undefined,
        survey: newestReading("sae-features", one, runs)?.record.id ?? null,
      };
    });
    return json({ dictionaries: await Promise.all(described) });
  },
});

function numbersOf(result: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(result).filter((entry): entry is [string, number] => {
      return typeof entry[1] === "number";
    }),
  );
}

/** A dictionary with its last survey. */
async function surveyed(
  name: string,
  { runs: { folders } }: Context,
): Promise<{ dictionary: KnownDictionary; survey: Run | undefined }> {
  const dictionary = await findDictionary(name, folders);
  const { runs } = await listRuns(folders.runs);
  return { dictionary, survey: newestReading("sae-features", dictionary, runs) };
}

const features = defineRoute({
  method: "GET",
  path: "/v1/lab/dictionaries/:name/features",
  summary: "A line on each feature of a dictionary, once texts were read with it",
  answers: [JSON_TYPE],
  async handle(context) {
    const { dictionary, survey } = await surveyed(context.params["name"] ?? "", context);
    const summaries = survey === undefined ? [] : await readSummaries(survey.folder);
    const { tokens = null } = (survey?.record.result ?? {}) as { tokens?: number };
    return json({
      ...{ survey: survey?.record.id ?? null, tokens },
      labels: dictionary.labels,
      features: summaries,
    });
  },
});

const dossier = defineRoute({
  method: "GET",
  path: "/v1/lab/dictionaries/:name/features/:feature",
  summary: "Where one feature fires most, how often, what it promotes",
  answers: [JSON_TYPE],
  async handle(context) {
    const { dictionary, survey } = await surveyed(context.params["name"] ?? "", context);
    const feature = context.params["feature"] ?? "";
    if (!/^\d{1,9}$/.test(feature))
      throw new LabError("bad_input", `${JSON.stringify(feature.slice(0, 40))} is no feature`);
    if (survey === undefined)
      throw new LabError("not_found", `no texts were read with ${dictionary.name}`, {
        hint: "POST /v1/lab/runs/sae-features does that.",
      });
    const found = await readDossier(survey.folder, Number(feature));
    return json({ ...found, label: dictionary.labels[feature] ?? null });
  },
});

const feature = defineRoute({
  method: "POST",
  path: "/v1/lab/feature",
  summary: "One feature as its weights say: what it writes, promotes and is near to",
  body: featureRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, runs, signal }, { model: name, dictionary: named, ...body }) {
    const dictionary = await filesOf(named, runs);
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json(await model.call("labFeature", { ...body, dictionary, adapter }, { signal }));
  },
});

const onText = defineRoute({
  method: "POST",
  path: "/v1/lab/features",
  summary: "Which features fire on a text, token by token",
  body: featuresRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, runs, signal }, { model: name, dictionary: named, ...body }) {
    const dictionary = await filesOf(named, runs);
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json(await model.call("labFeatures", { ...body, dictionary, adapter }, { signal }));
  },
});

const graph = defineRoute({
  method: "POST",
  path: "/v1/lab/graph",
  summary: "The attribution graph of a prompt, pruned: progress, then the graph",
  body: graphRequest,
  answers: [EVENTS_TYPE],
  async handle({ fleet, runs, signal }, { model: name, transcoders: names, ...body }) {
    const transcoders = await Promise.all(names.map((one) => filesOf(one, runs)));
    const { model, adapter } = await fleet.use(name ?? undefined);
    return streamed(model, "labGraph", { ...body, transcoders, adapter }, signal);
  },
});

const intervention = defineRoute({
  method: "POST",
  path: "/v1/lab/graph/intervene",
  summary: "What the next token becomes when features are changed, beside as many at random",
  body: interveneRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, runs, signal }, { model: name, transcoders: names, ...body }) {
    const transcoders = await Promise.all(names.map((one) => filesOf(one, runs)));
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json(await model.call("labIntervene", { ...body, transcoders, adapter }, { signal }));
  },
});

const circuits = defineRoute({
  method: "GET",
  path: "/v1/lab/circuits",
  summary: "Circuits that searches found, and the tasks that there are to search on",
  answers: [JSON_TYPE],
  async handle({ runs: { folders } }) {
    const { runs } = await listRuns(folders.runs);
    const found = runs.filter(
      ({ record: { kind, state } }) => kind === "circuit" && state === "done",
    );
    return json({
      ...{ tasks: TASK_NAMES, ablations: ABLATIONS },
      circuits: found.map(({ record: { id, arguments: asked, models, result } }) => ({
        ...{ id, model: models[0]?.reference ?? null, task: asked["task"] ?? null },
        ...{ method: asked["method"] ?? null, result: result ?? null },
      })),
    });
  },
});

const circuit = defineRoute({
  method: "GET",
  path: "/v1/lab/runs/:id/circuit",
  summary: "The circuit that a search found: its edges with what they do",
  answers: [JSON_TYPE],
  async handle(context) {
    const { folder } = await findRun(context);
    return json(await readCircuit(path.join(folder, CIRCUIT_FILE)));
  },
});

const check = defineRoute({
  method: "POST",
  path: "/v1/lab/circuits/check",
  summary: "How faithful a circuit's strongest edges are, for each size, beside random circuits",
  body: circuitCheckRequest,
  answers: [EVENTS_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    return streamed(model, "labCircuitCheck", { ...body, adapter }, signal);
  },
});

/** Where a dictionary lies that a request names. */
async function filesOf(
  name: string,
  { folders }: RouteContext["runs"],
): Promise<{ name: string; path: string }> {
  const { path: folder } = await findDictionary(name, folders);
  return { name, path: folder };
}

/** The events of a call as they come, its result last. */
function streamed<N extends OperationName>(
  model: SupervisedModel,
  operation: N,
  args: ArgumentsOf<N>,
  signal: AbortSignal,
): Response {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  return eventStream(
    async ({ send }) => {
      const onEvent = (event: EventOf<N>): void => send(event);
      const result: ResultOf<N> = await model.call(operation, args, { signal: both, onEvent });
      send({ result });
    },
    { last: "[DONE]", onCancel: () => stop.abort() },
  );
}

function json(value: unknown): Response {
  return new Response(toJson(value), { headers: { "content-type": JSON_TYPE } });
}

export const FEATURE_ROUTES: readonly Route[] = [
  ...[dictionaries, features, dossier, feature, onText, graph, intervention],
  ...[circuits, circuit, check],
];
