/** Asks a target the questions of tasks, and counts. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { toJson, type JsonObject } from "../base/json.ts";
import { PyodideSandbox, SystemPythonSandbox, type PythonSandbox } from "../sandbox/index.ts";
import { answerAll } from "./answer.ts";
import { loadSplit, type DataOptions } from "./data/source.ts";
import { FEWSHOT_SEED, promptItems, type PromptedItem } from "./prompts.ts";
import { hashPrompts, resultsFile, type TaskRun } from "./results.ts";
import { sampleLines, type AnsweredItem } from "./samples.ts";
import type { Selection } from "./select.ts";
import type { Target } from "./target.ts";
import type { Request, Task } from "./task.ts";

export interface EvaluateOptions {
  selection: Selection;
  target: Target;
  data: DataOptions;
  /** Answers, results and samples go here; what lies here from an earlier attempt is not asked again. */
  folder: string;
  /** Items of each task at most. */
  limit?: number | undefined;
  /** Tokens of an answer at most, over what tasks say. */
  maxTokens?: number | undefined;
  /** Cut contexts from the left where they do not fit. */
  truncate?: boolean;
  sandbox?: "pyodide" | "system";
  signal: AbortSignal;
  onProgress?: (done: number, total: number) => void;
  /** Files that were read. */
  onData?: (files: readonly { name: string; sha256: string }[]) => Promise<void>;
}

interface AskedTask {
  task: Task;
  shots: number;
  available: number;
  items: readonly PromptedItem[];
  requests: readonly Request[][];
}

/**
 * Runs an evaluation to its end and writes `results.json` and `samples_<task>.jsonl`. The same questions to the same target
 * give the same bytes, interrupted or not.
 */
export async function evaluate(options: EvaluateOptions): Promise<JsonObject> {
  const { selection, target, folder, limit, maxTokens, truncate = false, signal } = options;
  await mkdir(folder, { recursive: true });
  const asked: AskedTask[] = [];
  const files: { name: string; sha256: string }[] = [];
  for (const { task, shots } of selection.tasks) {
    signal.throwIfAborted();
    const loaded = await askTask(task, { shots, limit, maxTokens, data: options.data });
    asked.push(loaded.asked);
    files.push(...loaded.files);
  }
  await options.onData?.(files);
  const flat = asked.flatMap(({ requests }) => requests.flat());
  const plan = await target.plan(flat, { truncate });
  const identity = sha256(toJson({ target: target.facts, requests: sha256(toJson(flat)) }));
  const responses = await answerAll(plan.units, flat.length, {
    ...{ target, signal, folder, requests: identity },
    onProgress: options.onProgress,
  });
  const cut = new Map(plan.truncated.map(({ index, tokens }) => [index, tokens]));
  await using tools = new Tools(options.sandbox ?? "pyodide", signal);
  const runs: TaskRun[] = [];
  let at = 0;
  for (const { task, shots, available, items, requests } of asked) {
    const answered: AnsweredItem[] = [];
    for (const [i, item] of items.entries()) {
      signal.throwIfAborted();
      const own = requests[i] as Request[];
      const given = responses.slice(at, at + own.length);
      const truncatedTokens = Math.max(0, ...own.map((_, k) => cut.get(at + k) ?? 0));
      at += own.length;
      const scores = await item.item.score(given, tools);
      answered.push({
        asked: item,
        index: i,
        requests: own,
        responses: given,
        scores,
        truncatedTokens,
      });
    }
    await writeTextAtomic(
      path.join(folder, `samples_${task.name}.jsonl`),
      sampleLines(task, answered),
    );
    runs.push({
      ...{ task, shots, available },
      scores: answered.map(({ scores }) => scores),
      truncated: answered.filter(({ truncatedTokens }) => truncatedTokens > 0).length,
      promptsSha256: hashPrompts(requests.flat().map(promptOf)),
    });
  }
  const config = {
    ...target.facts,
    model_args: target.name,
    limit: limit ?? null,
    truncation: truncate ? "left" : "none",
    ...(maxTokens === undefined ? {} : { max_gen_toks: maxTokens }),
    ...samplingFacts(flat),
    fewshot_seed: FEWSHOT_SEED,
    ...tools.facts,
  };
  const results = resultsFile(runs, selection, config);
  await writeTextAtomic(path.join(folder, "results.json"), `${toJson(results, 2)}\n`);
  return results;
}

async function askTask(
  task: Task,
  {
    shots,
    limit,
    maxTokens,
    data,
  }: {
    shots: number;
    limit: number | undefined;
    maxTokens: number | undefined;
    data: DataOptions;
  },
): Promise<{ asked: AskedTask; files: { name: string; sha256: string }[] }> {
  const { rows, files } = await loadSplit(task, task.split, data);
  if (rows.length === 0) throw new LabError("bad_input", `${task.name}: the data has no rows`);
  const { split, examples } = task.fewShot;
  const wantsPool = shots > 0 && examples === undefined && split !== undefined;
  const pool =
    !wantsPool || split === task.split ? { rows, files: [] } : await loadPool(task, split, data);
  const items = promptItems(task, { rows: rows.slice(0, limit), pool: pool.rows, shots });
  const requests = items.map(({ item, before }) =>
    item
      .requests(before)
      .map((request) =>
        request.type === "generate_until" && maxTokens !== undefined
          ? { ...request, maxTokens }
          : request,
      ),
  );
  const asked = { task, shots, available: rows.length, items, requests };
  return { asked, files: [...files, ...pool.files] };
}

/** Examples come from their split; without one, from the questions themselves where the harness would take them, too. */
async function loadPool(
  task: Task,
  split: string,
  data: DataOptions,
): ReturnType<typeof loadSplit> {
  try {
    return await loadSplit(task, split, data);
  } catch (error) {
    if (LabError.from(error).code !== "not_found") throw error;
    throw new LabError(
      "not_found",
      `${task.name}: examples come from its ${split} split, which is not there`,
      {
        hint: LabError.from(error).hint ?? "Ask without examples: --num-fewshot 0.",
        cause: error,
      },
    );
  }
}

/** Starts the sandbox when the first program is to be run. */
class Tools implements AsyncDisposable {
  readonly signal: AbortSignal;
  readonly #kind: "pyodide" | "system";
  #sandbox: Promise<PythonSandbox> | undefined;
  facts: JsonObject = {};

  constructor(kind: "pyodide" | "system", signal: AbortSignal) {
    this.#kind = kind;
    this.signal = signal;
  }

  sandbox = async (): Promise<PythonSandbox> => {
    this.#sandbox ??= this.#kind === "system" ? SystemPythonSandbox.open() : PyodideSandbox.open();
    const { interpreter, layers } = await this.#sandbox;
    this.facts = { sandbox: interpreter, sandbox_layers: [...layers] };
    return this.#sandbox;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#sandbox)?.[Symbol.asyncDispose]();
  }
}

/** How programs were drawn, where several of each were. */
function samplingFacts(requests: readonly Request[]): JsonObject {
  const drawn = requests.flatMap((request) =>
    request.type === "generate_until" && request.sampling !== undefined ? [request.sampling] : [],
  );
  const [first] = drawn;
  if (first === undefined) return {};
  const repeats = 1 + Math.max(...drawn.map(({ sample }) => sample));
  return { repeats, temperature: first.temperature, top_p: first.topP, seed: first.seed };
}

function promptOf(request: Request): [string, string] {
  switch (request.type) {
    case "loglikelihood":
      return [request.context, request.continuation];
    case "loglikelihood_rolling":
      return [request.text, ""];
    case "generate_until":
      return [request.context, ""];
  }
}
