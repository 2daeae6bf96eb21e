/**
 * What a run leaves on disk, as schemas: `run.json` (what was asked, by what, and how it ended) and the lines of
 * `events.jsonl` (what happened on the way). The server, the studio and captures read the same.
 */
import { z } from "zod";
import { ERROR_CODES } from "../base/errors.ts";
import { MODES } from "../base/settings.ts";

export const RUN_STATES = ["queued", "running", "done", "failed", "cancelled"] as const;
export type RunState = (typeof RUN_STATES)[number];

/** Letters, digits, `.`, `_`, `-`: safe as a part of a file name everywhere. */
export const KIND_PATTERN = /^[a-z][a-z0-9-]{0,31}$/;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");

/** What a number that somebody reports came from; in `run.json` and in a capture's metadata. */
const provenanceSchema = z.object({
  /** The command line that repeats it. */
  command: z.array(z.string()),
  models: z.array(
    z.object({
      /** As it was asked for: `phi-2:q4_k_m+safer`. */
      reference: z.string(),
      sha256: sha256.optional(),
      adapterSha256: sha256.optional(),
    }),
  ),
  data: z.array(z.object({ name: z.string(), sha256: sha256.optional() })),
  mode: z.enum(MODES).optional(),
  device: z.string().optional(),
  seed: z.int().min(0).optional(),
  threads: z.int().min(1).optional(),
  versions: z.object({ philab: z.string(), node: z.string(), engine: z.string().optional() }),
});
export type Provenance = z.output<typeof provenanceSchema>;

const errorSchema = z.object({
  code: z.enum(ERROR_CODES),
  message: z.string(),
  hint: z.string().optional(),
});

const moment = z.iso.datetime();

/** `run.json`. Keys of a later version are kept when an older philab rewrites the file. */
export const runRecordSchema = z.looseObject({
  /** Version of this schema. */
  schema: z.literal(1),
  /** The folder's name. */
  id: z.string().min(1),
  kind: z.string().regex(KIND_PATTERN),
  name: z.string(),
  /** What the job was asked to do, checked by its own schema; enough to resume it. */
  arguments: z.record(z.string(), z.json()),
  ...provenanceSchema.shape,
  state: z.enum(RUN_STATES),
  /** What it said, before its first step, that it would take. */
  plan: z.record(z.string(), z.number()).optional(),
  createdAt: moment,
  /** When the first attempt began. */
  startedAt: moment.optional(),
  /** When the last attempt ended; absent while queued or running. */
  endedAt: moment.optional(),
  result: z.json().optional(),
  error: errorSchema.optional(),
});
export type RunRecord = z.output<typeof runRecordSchema>;

/** A number that JSON may not be able to say: NaN and ±Infinity travel as strings. */
const metric = z.union([
  z.number(),
  z.enum(["NaN", "Infinity", "-Infinity"]).transform((text) => Number(text)),
]);

/** A line of `events.jsonl`. */
export const runEventSchema = z.object({
  at: moment,
  /** 1 for the first try, 2 after the first resume, … */
  attempt: z.int().min(1),
  /** How much is done; with `total`, a share. */
  step: z.number().min(0).optional(),
  total: z.number().min(0).optional(),
  /** Steps per second, over the last seconds. */
  rate: z.number().min(0).optional(),
  message: z.string().optional(),
  metrics: z.record(z.string(), metric).optional(),
  /** Things to look at: a generated text, a scored row. */
  samples: z.array(z.record(z.string(), z.json())).optional(),
  /** The first and the last event of an attempt say what it became. */
  state: z.enum(RUN_STATES).optional(),
});
export type RunEvent = z.output<typeof runEventSchema>;
