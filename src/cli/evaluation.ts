/** Follows an evaluation to its end: begun, or gone on with. */
import path from "node:path";
import { LabError } from "../base/errors.ts";
import { formatCount, formatNumber, formatTable } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import { Endpoint } from "../endpoint/index.ts";
import { EndpointTarget } from "../evaluate/endpoint-target.ts";
import { evaluationJob, type EvaluationArguments, type OpenedTarget } from "../evaluate/job.ts";
import { LocalTarget } from "../evaluate/local-target.ts";
import type { Job } from "../jobs/job.ts";
import type { CommandContext } from "./command.ts";
import { openRecorded, type RecordedModel } from "./open-model.ts";

type Definition = ReturnType<typeof evaluationJob>;

export async function followEvaluation(
  context: CommandContext,
  begin: (definition: Definition) => Promise<Job<JsonObject>>,
): Promise<void> {
  const { output, signal } = context;
  const job = await begin(evaluationJob((asked) => openTarget(context, asked)));
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label: "eval", unit: "requests" });
  const finished = job.start({ signal });
  for await (const { step, total, message } of job) {
    if (message !== undefined && step === undefined) output.note(message);
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  }
  const { results } = await finished;
  const report = path.join(job.folder, "report.html");
  progress.finish();
  output.result({ id: job.record.id, folder: job.folder, results, report }, () =>
    [resultTable(results as JsonObject), `page: ${report}`].join("\n"),
  );
}

/** A model of this machine, or one behind an endpoint, whose key is in the environment. */
export async function openTarget(
  context: Pick<
    CommandContext,
    "settings" | "sources" | "folders" | "output" | "signal" | "cwd" | "env"
  >,
  asked: Pick<EvaluationArguments, "endpoint" | "concurrency"> & RecordedModel,
): Promise<OpenedTarget> {
  const { model: name, endpoint: url, concurrency } = asked;
  if (url !== undefined) {
    if (name === undefined)
      throw new LabError("bad_input", "the endpoint's model is not named", {
        hint: "Name it with --model.",
      });
    const apiKey = context.env["PHILAB_API_KEY"];
    const endpoint = new Endpoint({ url, model: name, apiKey });
    return {
      target: new EndpointTarget(endpoint, { concurrency }),
      [Symbol.asyncDispose]: () => {
        const { requests, ...troubles } = endpoint.counts;
        const told = Object.entries(troubles).filter(([, count]) => count > 0);
        if (told.length > 0)
          context.output.warn(
            `the endpoint took ${requests} requests: ${told.map(([kind, count]) => `${count} ${kind}`).join(", ")}`,
          );
        return Promise.resolve();
      },
    };
  }
  const { model, reference } = await openRecorded(context, asked);
  return {
    target: new LocalTarget(model, reference.name),
    engine: model.backend.engineVersion,
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

function resultTable(results: JsonObject): string {
  const rows = Object.entries(results).flatMap(([task, entry]) => {
    const values = entry as Record<string, number | string>;
    return Object.entries(values)
      .filter(([key]) => key.includes(",") && !key.includes("_stderr,"))
      .map(([key, value]) => {
        const [metric = "", filter = ""] = key.split(",");
        const error = values[`${metric}_stderr,${filter}`];
        return [
          task,
          metric + (filter === "none" ? "" : ` (${filter})`),
          formatNumber(Number(value), 5),
          typeof error === "number" ? `± ${formatNumber(error, 3)}` : "",
          formatCount(Number(values["sample_len"])),
        ];
      });
  });
  return formatTable(
    [
      { title: "task" },
      { title: "metric" },
      { title: "value", align: "right" },
      { title: "stderr" },
      { title: "items", align: "right" },
    ],
    rows,
  );
}
