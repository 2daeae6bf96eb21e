/** `philab runs`: what the long jobs under PHILAB_HOME/runs did, and what they are doing. */
import { z } from "zod";
import {
  formatCount,
  formatDuration,
  formatFacts,
  formatNumber,
  formatPercent,
  formatRate,
  formatTable,
} from "../../base/format.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { visibleLine, visibleText, type Colors } from "../../base/terminal.ts";
import { RUN_STATES, type RunEvent, type RunRecord, type RunState } from "../../jobs/record.ts";
import { findRun, listRuns, readRun, runEvents, type Run } from "../../jobs/runs.ts";
import { LabError } from "../../base/errors.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { RESUMABLE } from "../resumable.ts";

const run = z
  .string()
  .min(1)
  .optional()
  .describe("a run's id or a part of it that no other has; the newest where left out");

export const list = defineCommand({
  description: "A run whose process died counts as failed; it can be resumed.",
  options: {
    ...flags("limit"),
    kind: z
      .string()
      .min(1)
      .optional()
      .describe("only runs of this kind")
      .meta({ placeholder: "word" }),
    state: z.enum(RUN_STATES).optional().describe("only runs in this state"),
  },
  examples: [
    { command: "philab runs list --limit 5", does: "the last five runs" },
    { command: "philab runs --state failed --json", does: "what failed, for a script" },
  ],
  async run({ options, folders, output }) {
    const { runs, unreadable } = await listRuns(folders.runs);
    const fitting = runs.filter(
      ({ record: { kind, state } }) =>
        (options.kind ?? kind) === kind && (options.state ?? state) === state,
    );
    const shown = fitting.slice(0, options.limit);
    for (const { error } of unreadable) output.warn(error.message);
    const left = fitting.length - shown.length;
    if (left > 0) output.note(`${left} older ${left === 1 ? "run" : "runs"} not shown`);
    output.result(
      {
        folder: folders.runs,
        count: fitting.length,
        runs: shown.map(summarise),
        unreadable: unreadable.map(({ folder, error }) => ({ folder, message: error.message })),
      },
      () => (shown.length === 0 ? `No runs in ${folders.runs}` : table(shown, output.colors)),
    );
  },
});

export const show = defineCommand({
  arguments: { run },
  examples: [
    { command: "philab runs show", does: "the newest run: where it stands, what came out" },
  ],
  async run({ args, folders, output }) {
    const found = await findRun(folders.runs, args.run);
    let events = 0;
    let last: RunEvent | undefined;
    for await (const event of runEvents(found.folder)) {
      events++;
      if (event.step !== undefined) last = event;
    }
    output.result(
      { ...found.record, folder: found.folder, events, ...(last ? { last } : {}) },
      () => card(found, { events, last, colors: output.colors }),
    );
  },
});

export const tail = defineCommand({
  description: "Prints what has happened so far, then follows the run until it ends.",
  arguments: { run },
  options: {
    past: z.boolean().default(false).describe("stop at what has happened so far"),
  },
  examples: [{ command: "philab runs tail", does: "watch the newest run" }],
  async run({ args, options, folders, output, signal }) {
    const { folder } = await findRun(folders.runs, args.run);
    const events: RunEvent[] = [];
    for await (const event of runEvents(folder, { follow: !options.past, signal })) {
      if (output.json) events.push(event);
      else output.line(eventLine(event, output.colors));
    }
    const { record } = await readRun(folder);
    output.result({ id: record.id, state: record.state, events });
  },
});

export const resume = defineCommand({
  description:
    "Goes on with what an interrupted, failed or killed run has saved, with the arguments that it began with.",
  arguments: { run },
  examples: [{ command: "philab runs resume", does: "goes on with the newest run" }],
  async run(context) {
    const { folder, record } = await findRun(context.folders.runs, context.args.run);
    const resumeKind = RESUMABLE[record.kind];
    if (resumeKind === undefined)
      throw new LabError("unsupported", `${record.id}: runs of kind ${record.kind} do not resume`, {
        hint: `Begin it again: ${record.command.map(quote).join(" ")}`,
      });
    await resumeKind(context, folder);
  },
});

function summarise({ folder, record }: Run): JsonObject {
  const { id, kind, name, state, createdAt, startedAt, endedAt, error } = record;
  return { id, kind, name, state, createdAt, startedAt, endedAt, error, folder };
}

function table(runs: readonly Run[], colors: Colors): string {
  const rows = runs.map(({ record }) => [
    visibleLine(record.id),
    paint(record.state, colors),
    elapsed(record),
    visibleLine(record.error?.message ?? ""),
  ]);
  return formatTable(
    [{ title: "run" }, { title: "state" }, { title: "took", align: "right" }, { title: "" }],
    rows,
  );
}

function card(
  { folder, record }: Run,
  { events, last, colors }: { events: number; last: RunEvent | undefined; colors: Colors },
): string {
  const { mode, seed, threads, device, models, data, error, result, versions } = record;
  const how = [
    ...(mode === undefined ? [] : [`mode ${mode}`]),
    ...(seed === undefined ? [] : [`seed ${seed}`]),
    ...(threads === undefined ? [] : [`${threads} threads`]),
    ...(device === undefined ? [] : [`on ${device}`]),
  ];
  const engine = versions.engine === undefined ? "" : `, engine ${versions.engine}`;
  // What a person or a file put into the record is made harmless; the colours are ours.
  const optional = (name: string, value: string): [string, string][] =>
    value === "" ? [] : [[name, visibleText(value)]];
  return formatFacts([
    ["run", visibleLine(record.id)],
    ["state", paint(record.state, colors)],
    ...optional("error", [error?.message, error?.hint].filter(Boolean).join("\n")),
    ["began", record.startedAt ?? "not yet"],
    ...optional("took", elapsed(record)),
    ...optional("at", last === undefined ? "" : progressText(last)),
    ["events", formatCount(events)],
    ...optional("how", how.join(", ")),
    ...optional("models", models.map((m) => withHash(m.reference, m.sha256)).join("\n")),
    ...optional("data", data.map((d) => withHash(d.name, d.sha256)).join("\n")),
    ["made by", visibleLine(`philab ${versions.philab}${engine}, Node ${versions.node}`)],
    ...optional("command", record.command.map(quote).join(" ")),
    ["folder", folder],
    ...optional("result", result === undefined ? "" : toJson(result, 2)),
  ]);
}

function eventLine(event: RunEvent, colors: Colors): string {
  const metrics = Object.entries(event.metrics ?? {})
    .map(([name, value]) => `${name} ${formatNumber(value)}`)
    .join(" ");
  const parts = [
    colors.dim(event.at.slice(11, 19)),
    ...(event.state === undefined ? [] : [paint(event.state, colors)]),
    ...(event.step === undefined ? [] : [progressText(event)]),
    ...(metrics === "" ? [] : [visibleLine(metrics)]),
    ...(event.message === undefined ? [] : [visibleLine(event.message)]),
    ...(event.samples ?? []).map((sample) => visibleLine(toJson(sample))),
  ];
  return parts.join("  ");
}

function progressText({ step = 0, total, rate }: RunEvent): string {
  const share = total ? ` of ${formatCount(total)} (${formatPercent(step / total, 0)})` : "";
  return `${formatCount(step)}${share}${rate === undefined ? "" : `, ${formatRate(rate, "steps")}`}`;
}

/** From the first attempt's begin to the last one's end, or until now. */
function elapsed({ startedAt, endedAt, state }: RunRecord): string {
  if (startedAt === undefined) return "";
  const end = endedAt ?? (state === "running" ? new Date().toISOString() : undefined);
  return end === undefined ? "" : formatDuration(Date.parse(end) - Date.parse(startedAt));
}

function paint(state: RunState, colors: Colors): string {
  switch (state) {
    case "done":
      return colors.green(state);
    case "failed":
      return colors.red(state);
    case "running":
      return colors.cyan(state);
    case "queued":
    case "cancelled":
      return colors.yellow(state);
  }
}

function withHash(name: string, sha256: string | undefined): string {
  return sha256 === undefined ? name : `${name} (sha256 ${sha256.slice(0, 12)}…)`;
}

/** A word as a shell takes it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
