/** What the server answers, in the words of its own sources where they have them. */
import type { ModelCard } from "../../../src/catalog/cards.ts";
import type { Measurement } from "../../../src/catalog/measured.ts";
import type { Manifest } from "../../../src/catalog/store.ts";
import type { Published } from "../../../src/evaluate/published.ts";
import type { RunRecord } from "../../../src/jobs/record.ts";
import type { MachineFacts, MachineSpeed } from "../../../src/server/lab/machine.ts";
import type { ModelAtWork } from "../../../src/server/lab/system.ts";
import type { LogLine } from "../../../src/server/recent-log.ts";

export interface ModelEntry {
  id: string;
  /** Where it comes from. */
  owned_by: string;
  meta: {
    n_params?: number;
    n_ctx?: number;
    n_ctx_train?: number;
    n_layers?: number;
    n_heads?: number;
    /** Types of its matrices, the most frequent first. */
    types?: string[];
    /** Bytes of its weights. */
    size?: number;
    state: string;
    error?: { code: string; message: string };
  };
}

export interface ModelList {
  data: ModelEntry[];
  /** Names, to be used as `model+adapter`. */
  adapters: string[];
}

export interface PublishedScore {
  task: string;
  /** A share. */
  value: number;
  source: string;
}

/** `GET /v1/lab/catalog` */
export interface Catalog {
  cards: (ModelCard & { memory: Record<string, number>; scores: PublishedScore[] })[];
  /** Tokens of the cache in `memory`. */
  memoryTokens: number;
  measured: Measurement[];
  /** Models that philab has put into the store; `card` is a card's id. */
  stored: (Pick<Manifest, "source" | "lineage" | "licence"> & {
    name: string;
    sizeBytes: number;
    card?: string;
  })[];
  /** Where models are fetched from. */
  hub: string;
}

/** `GET /v1/lab/models/{id}/quantizations` */
export interface Quantizations {
  plans: {
    type: string;
    sizeBytes: number;
    sourceBytes: number;
    /** How many tensors of each type. */
    tensors: Record<string, number>;
    /** Whether weights are quantised already. */
    isRequantized: boolean;
    /** Tensors that get another type than the mix wants: its blocks do not divide their rows. */
    instead: number;
  }[];
}

/** `GET /v1/lab/tasks` */
export interface TaskList {
  tasks: {
    name: string;
    shots: number;
    /** The data's name on the hub. */
    data: string;
    licence: string;
    metrics: string[];
  }[];
  groups: { name: string; title: string; members: string[] }[];
  published: Published[];
}

/** A run, and the name under which what it made answers. */
export type DescribedRun = RunRecord & { answersAs: string | null };

export interface RunList {
  runs: DescribedRun[];
  unreadable: { code: string; message: string }[];
}

/** `GET /v1/lab/data` */
export interface DataList {
  data: { name: string; kind: "folder" | "file"; sizeBytes?: number }[];
}

/** `GET /v1/lab/system` */
export interface SystemFacts {
  machine: MachineFacts;
  /** `null` until it was measured. */
  speed: MachineSpeed | null;
  memory: { totalBytes: number; freeBytes: number; allowedBytes: number };
  limits: { slots: number; maxWaiting: number; idleMs: number; mode: string };
  models: ModelAtWork[];
  /** Ids of this server's runs. */
  runs: { working: string | null; waiting: string[] };
  /** Oldest first. */
  log: LogLine[];
}
