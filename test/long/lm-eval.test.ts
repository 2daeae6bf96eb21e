/** The numbers of lm-evaluation-harness: `reference/lm_eval_oracle.py` asked it the same questions through transformers. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { loadSplit } from "../../src/evaluate/data/source.ts";
import { LocalTarget } from "../../src/evaluate/local-target.ts";
import { promptItems } from "../../src/evaluate/prompts.ts";
import { hashPrompts, taskResult } from "../../src/evaluate/results.ts";
import { selectTasks } from "../../src/evaluate/select.ts";
import type { Response, Row, Scores, Task } from "../../src/evaluate/task.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { PyodideSandbox } from "../../src/sandbox/index.ts";
import { BENCHMARKS, hasBenchmarks } from "../support/benchmarks.ts";
import { readFixture } from "../support/golden.ts";
import { writeRandomPhi } from "../support/random-phi.ts";

interface Run {
  model: "random" | "phi-micro";
  task: string;
  shots: number;
  limit: number;
  version: number;
  /** Tokens of an answer, where fewer than the task's were asked for. */
  max_tokens?: number;
  prompts: string;
  metrics: Record<string, number>;
  /** Of each item, of each of its requests. */
  logprobs?: number[][];
  /** A digit for each request. */
  greedy?: string;
  /** Beginnings of the hashes of what was written. */
  texts?: string[];
}

const { runs } = readFixture<{ runs: Run[] }>("lm-eval.json");

describe.runIf(hasBenchmarks)("against lm-evaluation-harness", () => {
  let folder: string;
  const models = new Map<string, LanguageModel>();
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "philab-lm-eval-"));
    const random = path.join(folder, "random");
    await writeRandomPhi(random);
    const bundled = path.join(PACKAGE_ROOT, "models", "phi-micro");
    for (const [name, directory] of [
      ["random", random],
      ["phi-micro", bundled],
    ] as const)
      models.set(name, await LanguageModel.open(directory, { mode: "reference", threads: 1 }));
  });
  afterAll(async () => {
    for (const model of models.values()) await model[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it.each(runs.map((run) => [`${run.task}, ${run.shots} examples, ${run.model}`, run] as const))(
    "%s",
    async (_, run) => {
      const { selection, items } = await ask(run);
      const model = models.get(run.model) as LanguageModel;
      const requests = items.map(({ item, before }) =>
        item.requests(before).map((request) => ({
          ...request,
          ...(run.max_tokens === undefined ? {} : { maxTokens: run.max_tokens }),
        })),
      );
      const prompts = requests
        .flat()
        .map((request): [string, string] => [
          "context" in request ? request.context : request.text,
          "continuation" in request ? request.continuation : "",
        ]);
      expect(hashPrompts(prompts)).toBe(run.prompts);

      const target = new LocalTarget(model, run.model);
      const { units } = await target.plan(requests.flat(), { truncate: true });
      const responses: Response[] = [];
      for (const unit of units) {
        const found = await unit.run(new AbortController().signal);
        unit.indices.forEach((index, i) => (responses[index] = found[i] as Response));
      }
      const scores: Scores[] = [];
      let [at, seen] = [0, 0];
      await using python = new LazySandbox();
      const tools = { sandbox: python.open, signal: new AbortController().signal };
      for (const [i, { item }] of items.entries()) {
        const own = responses.slice(at, at + (requests[i]?.length ?? 0));
        const likely = own.filter((response) => "logprob" in response);
        for (const response of own)
          if ("text" in response) expect(hash(response.text)).toBe(run.texts?.[i]);
        likely.forEach(({ logprob, isGreedy }, k) => {
          const expected = run.logprobs?.[i]?.[k] ?? NaN;
          // A text of thousands of tokens is a sum of as many roundings.
          const tolerance = Math.max(1e-3, 1e-6 * Math.abs(expected));
          expect(Math.abs(logprob - expected)).toBeLessThan(tolerance);
          if (run.greedy !== "") expect(Number(isGreedy)).toBe(Number(run.greedy?.[seen + k]));
        });
        seen += likely.length;
        at += own.length;
        scores.push(await item.score(own, tools));
      }
      const { values, errors } = taskResult({
        ...{ task: selection, shots: run.shots, scores, available: 0, truncated: 0 },
        promptsSha256: "",
      });
      for (const [key, value] of Object.entries(run.metrics)) {
        const plain = key.replace("_stderr,", ",");
        const found = plain === key ? values[key] : errors[plain];
        // Four decimals; of a perplexity in the hundred thousands as many digits as 32 bits carry.
        const shown = (number: number | undefined): string | undefined =>
          value < 1000 ? number?.toFixed(4) : number?.toPrecision(7);
        expect([key, shown(found)]).toEqual([key, shown(value)]);
      }
      expect(selection.version).toBe(run.version);
    },
  );
});

/** The items of a run; the oracle takes examples from these rows where the files have no training split. */
async function ask(run: Run): Promise<{ selection: Task; items: ReturnType<typeof promptItems> }> {
  const { tasks } = await selectTasks([run.task]);
  const task = tasks[0]?.task as Task;
  const options = { folder: BENCHMARKS, dataFolder: "" };
  const { rows } =
    run.task === "wikitext" ? { rows: await pages() } : await loadSplit(task, task.split, options);
  const own: Record<string, Row[]> = {
    piqa: rows.slice(0, 200),
    winogrande: rows.slice(0, 200),
    arc_challenge: rows,
  };
  const { split = "" } = task.fewShot;
  const wanted = run.shots > 0 && task.fewShot.examples === undefined;
  const pool = wanted ? (own[task.name] ?? (await loadSplit(task, split, options)).rows) : [];
  return {
    selection: task,
    items: promptItems(task, { rows: rows.slice(0, run.limit), pool, shots: run.shots }),
  };
}

/** Articles of SQuAD in WikiText's form: headings, spaces around commas, marked hyphens. */
async function pages(): Promise<Row[]> {
  const file = path.join(BENCHMARKS, "squad_v2", "dev-v2.0.json");
  const { data } = JSON.parse(await readFile(file, "utf8")) as {
    data: { title: string; paragraphs: { context: string }[] }[];
  };
  return data.map(({ title, paragraphs }) => {
    const text = paragraphs.map(
      ({ context }) => ` ${context.replaceAll(", ", " , ").replaceAll("-", " @-@ ")} \n`,
    );
    return { page: ` = ${title} = \n \n${text.join("")}` };
  });
}

/** Started for the tasks that run code alone. */
class LazySandbox implements AsyncDisposable {
  #opened: Promise<PyodideSandbox> | undefined;

  open = (): Promise<PyodideSandbox> => (this.#opened ??= PyodideSandbox.open());

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#opened)?.[Symbol.asyncDispose]();
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
