/** What is evaluated: a model here, or one behind an endpoint. */
import type { Request, Response } from "./task.ts";

/** Requests that are answered together, and by which they are counted and resumed. */
export interface WorkUnit {
  /** Places in the list of requests. */
  indices: readonly number[];
  /** Answers to `indices`, in their order. Throws where one cannot be had. */
  run(signal: AbortSignal): Promise<Response[]>;
}

/** A request that was cut to fit. */
export interface Truncation {
  index: number;
  /** Tokens that were left out at the start. */
  tokens: number;
}

export interface WorkPlan {
  units: WorkUnit[];
  truncated: Truncation[];
}

export interface Target {
  /** What names it in results: a model's reference, an endpoint's address and model. */
  readonly name: string;
  /** Facts for the results' `config`. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** Units that may run at the same time. */
  readonly concurrency: number;
  /**
   * Divides requests into units. The same requests give the same units, and a unit the same answers whenever it runs.
   *
   * @param options - `truncate`: cut contexts from the left where they do not fit, instead of refusing them
   * @throws LabError `too_long` with counts, `unsupported` for requests that the target cannot answer
   */
  plan(requests: readonly Request[], options: { truncate: boolean }): Promise<WorkPlan>;
}
