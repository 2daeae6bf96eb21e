/** Endpoints as data: what they take, what they say of themselves, and what answers. */
import type { z } from "zod";
import type { HomeFolders } from "../../base/settings.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Corpora } from "../lab/corpora.ts";
import type { DataSets } from "../lab/data-sets.ts";
import type { Machine } from "../lab/machine.ts";
import type { RunQueue } from "../lab/run-queue.ts";
import type { Metrics } from "../metrics.ts";
import type { RecentLog } from "../recent-log.ts";

/** Long work on disk: where it lies, what it may read, and who does it. */
export interface RunService {
  /** Of `PHILAB_HOME`. */
  folders: HomeFolders;
  dataSets: DataSets;
  corpora: Corpora;
  queue: RunQueue;
  /** Another hub than Hugging Face's. */
  hubUrl?: string;
}

/** What a request brings, beside its body. */
export interface RouteContext {
  fleet: Fleet;
  metrics: Metrics;
  runs: RunService;
  machine: Machine;
  log: RecentLog;
  /** Who asks: the user that the request names, or where it comes from. */
  client: string;
  /** Aborted when the client goes away. */
  signal: AbortSignal;
  /** Parts of the path, such as `id`. */
  params: Readonly<Record<string, string>>;
}

export interface Route<S extends z.ZodObject = z.ZodObject> {
  method: "GET" | "POST" | "DELETE";
  /** With `:name` for parts that vary. */
  path: string;
  /** One line, for the OpenAPI document. */
  summary: string;
  body?: S;
  /** Content types of the answers. */
  answers: readonly string[];
  handle: (context: RouteContext, body: z.output<S>) => Promise<Response>;
}

/** Gives `handle` the type of its body. */
export function defineRoute<S extends z.ZodObject>(route: Route<S>): Route {
  return route;
}

export const JSON_TYPE = "application/json";
export const EVENTS_TYPE = "text/event-stream";
