/**
 * What the server and the process of a model say to each other. Every call has a number; its events come in order, its result or
 * its error last. Values are copied by structured clone, typed arrays as they are.
 */
import type { ErrorRecord } from "../../base/errors.ts";
import type { Device, Mode } from "../../base/settings.ts";
import type { ModelReference } from "../../catalog/reference.ts";
import type { BatcherCounts } from "../../generate/batch/batcher.ts";
import type { Operations } from "./operations.ts";

/** How a model is opened. */
export interface WorkerSettings {
  reference: ModelReference;
  mode: Mode;
  device: Device;
  threads?: number;
  /** Texts in work at the same time. */
  slots: number;
  /** Texts that may wait. */
  maxWaiting: number;
  /** Tokens of each text's context; the model's own by default. */
  contextLength?: number;
}

/** What the server needs to know of a model that is open. */
export interface WorkerFacts {
  modelHash: string;
  mode: Mode;
  threads: number;
  device: string;
  engine: string;
  contextLength: number;
  vocabSize: number;
  width: number;
  layers: number;
  heads: number;
  hasTokenizer: boolean;
  /** Whether texts are the same to the bit whatever is computed beside them. */
  deterministic: boolean;
}

export type OperationName = keyof Operations;
export type ArgumentsOf<N extends OperationName> = Parameters<Operations[N]>[0];
export type ResultOf<N extends OperationName> = Awaited<ReturnType<Operations[N]>>;
export type EventOf<N extends OperationName> = Parameters<Parameters<Operations[N]>[1]["emit"]>[0];

export type ToWorker =
  | { kind: "open"; settings: WorkerSettings }
  | { kind: "call"; call: number; operation: OperationName; args: unknown }
  | { kind: "cancel"; call: number };

export type FromWorker =
  | { kind: "ready"; facts: WorkerFacts }
  | { kind: "refused"; error: ErrorRecord }
  | { kind: "event"; call: number; event: unknown }
  | { kind: "result"; call: number; result: unknown }
  | { kind: "error"; call: number; error: ErrorRecord }
  | { kind: "counts"; counts: BatcherCounts; residentBytes: number };
