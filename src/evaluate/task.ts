/**
 * What a task is: rows of data become questions, questions become requests to a model, its answers become scores. Names,
 * prompts, rules and metrics are those of lm-evaluation-harness 0.4.13.
 */
import type { PythonSandbox } from "../sandbox/index.ts";

/** A row of data in the columns that the hub has. */
export type Row = Readonly<Record<string, unknown>>;

export type Request =
  /** How likely a continuation is. An empty context stands for the start or end token. */
  | { type: "loglikelihood"; context: string; continuation: string }
  /** How likely a whole text is, read in windows as long as the context. */
  | { type: "loglikelihood_rolling"; text: string }
  | {
      type: "generate_until";
      context: string;
      until: readonly string[];
      maxTokens: number;
      /** Absent: the likeliest token each time. */
      sampling?: Sampling;
    };

/** How one of several answers to a question is drawn. */
export interface Sampling {
  temperature: number;
  topP: number;
  seed: number;
  /** Which of the answers it is, from 0. */
  sample: number;
}

export type Response = { logprob: number; isGreedy: boolean } | { text: string };

/**
 * What one item adds to each metric (`acc,none`: metric and filter): a number of which the mean is taken, or what the
 * metric's aggregation takes. A metric that an item has no part in is left out.
 */
export type Scores = Record<string, number | readonly number[]>;

export interface ScoringTools {
  /** Runs programs of the model. */
  sandbox: () => Promise<PythonSandbox>;
  signal: AbortSignal;
}

/** A question, ready to be asked. */
export interface Item {
  /** How it looks, with its answer, as an example in a prompt. */
  example: string;
  /** The right answer, for the log: a text, or the place of a choice. */
  target: string | number;
  /** @param before - description and examples */
  requests(before: string): Request[];
  score(responses: readonly Response[], tools: ScoringTools): Scores | Promise<Scores>;
  /** What was made of an answer, for the log, by filter. */
  filtered?(responses: readonly Response[]): Record<string, string>;
}

/** How the numbers of all items become one. */
export type Aggregation = "mean" | "weighted_perplexity" | "bits_per_byte" | "squad_best";

export interface Metric {
  /** `acc,none` */
  key: string;
  aggregation: Aggregation;
  higherIsBetter: boolean;
}

export interface FewShot {
  /** `random`: a fresh draw for each item; `first`: the first of the pool. */
  sampler: "random" | "first";
  /** The split that examples come from; absent where there are none to be had. */
  split?: string;
  /** Examples that come with the task. */
  examples?: readonly Item[];
  /** Whether the item itself may be in the pool: one example more is drawn, and the item taken out. */
  excludesItem: boolean;
}

/** Where rows come from. */
export interface TaskData {
  /** On the hub: `allenai/ai2_arc`, and the part of it. */
  hub: string;
  config?: string;
  licence: string;
  /** The folder of a directory with data. */
  folder: string;
  /** Files of that folder in other forms than the hub's, by split, and how a file's text becomes rows. */
  forms?: Readonly<Record<string, { file: string; rows: (text: string) => Row[] }>>;
  /** Files of `forms` that are on GitHub and not on the hub, by split: owner, name, commit and path, and the hash. */
  web?: Readonly<Record<string, { path: string; sha256: string }>>;
  /** Files by split, where a task names its own. */
  files?: Readonly<Record<string, string>>;
}

export interface Task {
  name: string;
  version: number;
  data: TaskData;
  /** The split that is asked. */
  split: string;
  /** Examples where nobody says how many. */
  shots: number;
  fewShot: FewShot;
  /** What every prompt begins with. */
  description: string;
  metrics: readonly Metric[];
  /** Whether programs of the model are run. */
  runsCode?: boolean;
  /** Throws `bad_input` for a row without the columns that it needs. */
  item(row: Row): Item;
}

/** Tasks under one name, with a score of their own. */
export interface TaskGroup {
  name: string;
  title?: string;
  members: readonly { task: string; shots?: number }[];
  /**
   * Metrics that are averaged over the members: by number of items (as lm-evaluation-harness does for MMLU and BBH) or each
   * member alike. Several keys: the first that a member has counts.
   */
  metric: { name: string; keys: readonly string[]; weightBySize: boolean };
}

export const MEAN_ACC: Metric = { key: "acc,none", aggregation: "mean", higherIsBetter: true };
export const MEAN_ACC_NORM: Metric = { ...MEAN_ACC, key: "acc_norm,none" };
