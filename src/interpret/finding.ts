/**
 * Findings: a claim about a model with all that it takes to check it again. Prompts as ids, edits, metrics, what was
 * captured (by hash), and the inequalities that the claim stands for, in one JSON file. Replayed on the same machine the
 * bits are the same; elsewhere products add in another order, and the numbers must be close instead.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { toJson } from "../base/json.ts";
import { packageVersion } from "../base/package.ts";
import { checkObject } from "../base/schema.ts";
import { MODES } from "../base/settings.ts";
import type { LanguageModel, Prompt } from "../generate/language-model.ts";
import type { Run } from "../generate/run.ts";
import type { Capture } from "../model/hooks/capture.ts";
import { editsToJson, type Edit } from "../model/hooks/edits.ts";
import { metricSchema, type Metric } from "../model/hooks/metric.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");
const index = z.int().min(0);
/** The metric of one prompt of one run. */
const term = z.strictObject({ run: z.string(), prompt: index.default(0) });

const checkSchema = z.strictObject({
  /** What it shows, in words. */
  says: z.string(),
  value: term,
  /** What is taken off it. */
  minus: term.optional(),
  atLeast: z.number().optional(),
  atMost: z.number().optional(),
});

const runSchema = z.strictObject({
  ids: z.array(z.array(index).min(1)).min(1),
  edits: z.array(z.looseObject({ op: z.string() })),
  capture: z.array(z.union([z.string(), z.looseObject({ at: z.string() })])),
  metric: metricSchema,
  result: z.strictObject({
    metric: z.array(z.number()),
    logits: hash,
    captured: z.record(z.string(), hash),
  }),
});

const findingSchema = z.strictObject({
  schema: z.literal(1),
  kind: z.literal("finding"),
  claim: z.string().min(1),
  model: z.strictObject({
    reference: z.string(),
    sha256: hash,
    adapterSha256: hash.optional(),
  }),
  /** What decides the bits. */
  environment: z.strictObject({
    mode: z.enum(MODES),
    device: z.string(),
    threads: z.int().min(1),
    engine: z.string(),
    philab: z.string(),
  }),
  runs: z.record(z.string(), runSchema),
  checks: z.array(checkSchema).min(1),
});
export type Finding = z.output<typeof findingSchema>;

export interface FindingRun {
  prompts: Prompt | readonly Prompt[];
  edits?: readonly Edit[];
  capture?: readonly Capture[];
  metric: Metric;
}

export interface FindingRequest {
  claim: string;
  /** As the model is asked for: `phi-2:q4_k_m`. */
  reference: string;
  runs: Readonly<Record<string, FindingRun>>;
  checks: readonly z.input<typeof checkSchema>[];
}

/** How a check came out. */
export interface CheckResult {
  says: string;
  value: number;
  passed: boolean;
}

export interface Replay {
  /** Whether the claim still stands. */
  passed: boolean;
  /** `same` or `different` where everything that decides the bits is as it was; else what is not. */
  bits: "same" | "different" | { changed: string };
  /** The largest difference of a metric. */
  difference: number;
  checks: readonly CheckResult[];
}

/** How far metrics may be apart, as a share of their size, where the environment is another. */
const TOLERANCE = 1e-3;

/**
 * Makes the runs of a finding and notes what they gave.
 *
 * @throws LabError `check_failed` where a check does not hold: then there is nothing to be found; `unsupported` for edits
 *   that are functions
 */
export async function recordFinding(
  model: LanguageModel,
  { claim, reference, runs, checks }: FindingRequest,
): Promise<Finding> {
  const found: Record<string, unknown> = {};
  for (const [name, { prompts, edits = [], capture = [], metric }] of Object.entries(runs)) {
    const json = editsToJson(edits);
    const run = await model.run(prompts, { edits, capture, metric });
    const result = resultOf(run);
    const plain = JSON.parse(toJson(capture)) as unknown;
    found[name] = {
      ids: run.ids,
      edits: JSON.parse(json) as unknown,
      capture: plain,
      metric,
      result,
    };
  }
  const finding = parseFinding(
    {
      schema: 1,
      kind: "finding",
      claim,
      model: { reference, ...hashesOf(model) },
      environment: environmentOf(model),
      runs: found,
      checks,
    },
    "the finding",
  );
  const metrics = new Map(
    Object.entries(finding.runs).map(([name, { result }]) => [name, result.metric]),
  );
  const failed = finding.checks
    .map((check) => evaluate(check, metrics))
    .find(({ passed }) => !passed);
  if (failed !== undefined)
    throw new LabError("check_failed", `${failed.says}: it is ${failed.value}`);
  return finding;
}

/** Writes a finding, whole or not at all. */
export async function saveFinding(finding: Finding, path: string): Promise<void> {
  await writeTextAtomic(path, `${JSON.stringify(finding, null, 1)}\n`);
}

/** @throws LabError `not_found`, `corrupt_file` for what is no finding */
export async function readFinding(path: string): Promise<Finding> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LabError("corrupt_file", `${path} is no JSON`, { cause: error });
  }
  return parseFinding(value, path);
}

function parseFinding(value: unknown, what: string): Finding {
  const finding = checkObject(findingSchema, value, { what, code: "corrupt_file" });
  for (const { value, minus, says } of finding.checks)
    for (const at of minus === undefined ? [value] : [value, minus])
      if (finding.runs[at.run]?.ids[at.prompt] === undefined)
        throw new LabError(
          "corrupt_file",
          `${what}: the check "${says}" names prompt ${at.prompt} of the run ${at.run}`,
          {
            hint: `Its runs are ${Object.keys(finding.runs).join(", ")}.`,
          },
        );
  return finding;
}

/**
 * Makes the runs of a finding again.
 *
 * @throws LabError `bad_input` for another model than that of the finding, or another mode
 */
export async function replayFinding(
  model: LanguageModel,
  finding: Finding,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Replay> {
  const now = environmentOf(model);
  const hashes = hashesOf(model);
  if (
    hashes.sha256 !== finding.model.sha256 ||
    hashes.adapterSha256 !== finding.model.adapterSha256
  )
    throw new LabError(
      "bad_input",
      `this finding is about ${finding.model.reference}, and this model is another`,
      {
        hint: `Its hash is ${finding.model.sha256.slice(0, 12)}…, that of this one ${hashes.sha256.slice(0, 12)}….`,
      },
    );
  if (now.mode !== finding.environment.mode)
    throw new LabError("bad_input", `this finding was made in ${finding.environment.mode} mode`);
  const metrics = new Map<string, number[]>();
  let [same, difference, close] = [true, 0, true];
  for (const [name, { ids, edits, capture, metric, result }] of Object.entries(finding.runs)) {
    const run = await model.run(ids, {
      edits: edits as unknown as Edit[],
      capture: capture as Capture[],
      metric,
      ...(signal === undefined ? {} : { signal }),
    });
    const found = resultOf(run);
    metrics.set(name, found.metric);
    same &&= JSON.stringify(found) === JSON.stringify(result);
    found.metric.forEach((value, b) => {
      const before = result.metric[b] ?? NaN;
      const apart = Math.abs(value - before);
      difference = Math.max(difference, apart);
      close &&= apart <= TOLERANCE * Math.max(1, Math.abs(before));
    });
  }
  const checks = finding.checks.map((check) => evaluate(check, metrics));
  const changed = Object.entries(now).filter(
    ([key, value]) => finding.environment[key as keyof typeof now] !== value,
  );
  const bits = same
    ? "same"
    : changed.length === 0
      ? "different"
      : { changed: changed.map(([key]) => key).join(", ") };
  const passed = checks.every((check) => check.passed) && bits !== "different" && close;
  return { passed, bits, difference, checks };
}

function evaluate(
  { says, value, minus, atLeast = -Infinity, atMost = Infinity }: z.output<typeof checkSchema>,
  metrics: ReadonlyMap<string, readonly number[]>,
): CheckResult {
  const of = ({ run, prompt }: z.output<typeof term>): number => metrics.get(run)?.[prompt] ?? NaN;
  const found = of(value) - (minus === undefined ? 0 : of(minus));
  return { says, value: found, passed: found >= atLeast && found <= atMost };
}

function resultOf(run: Run): Finding["runs"][string]["result"] {
  const digest = (...values: readonly Float32Array[]): string =>
    sha256(Buffer.concat(values.map((v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength))));
  return {
    metric: [...run.metric],
    logits: digest(...run.logits),
    captured: Object.fromEntries(
      [...run.captured].map(([name, { values }]) => [name, digest(values)]),
    ),
  };
}

function environmentOf(model: LanguageModel): Finding["environment"] {
  const { mode, backend } = model;
  return {
    mode,
    device: backend.device.description.trim(),
    threads: backend.threads,
    engine: backend.engineVersion,
    philab: packageVersion(),
  };
}

function hashesOf(model: LanguageModel): { sha256: string; adapterSha256?: string } {
  const { adapter } = model;
  const loaded = adapter === null ? undefined : model.adapters.get(adapter);
  return {
    sha256: model.fingerprint(),
    ...(loaded === undefined ? {} : { adapterSha256: loaded.fingerprint }),
  };
}
