/** The fixed panel that a model is measured on before and after a change: what is read, asked and counted. */
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { sha256File } from "../../base/hash.ts";
import type { JsonObject } from "../../base/json.ts";
import { evaluate } from "../../evaluate/evaluate.ts";
import { LocalTarget } from "../../evaluate/local-target.ts";
import { selectTasks, type Selection } from "../../evaluate/select.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { answersOf } from "../behaviour/ask.ts";
import { requestsOf, scoresOf } from "../behaviour/job.ts";
import { PROMPT_FILES, readQuestions, type Questions } from "../behaviour/questions.ts";
import type { RefusalRate } from "../behaviour/refusals.ts";
import { textsLoss } from "../directions/cost.ts";
import { textLosses } from "../losses.ts";
import { toxigenScores } from "../toxigen/scores.ts";
import { readSentences, type Sentence } from "../toxigen/sentences.ts";
import { ORDINARY_TEXTS } from "./texts.ts";

export interface Panel {
  sentences: readonly Sentence[];
  prompts: Extract<Questions, { kind: "prompts" }>;
  bbq: Extract<Questions, { kind: "bbq" }>;
  selection: Selection | undefined;
  texts: readonly string[];
  files: { name: string; sha256: string }[];
  /** Parts of the panel that there was no file for. */
  missing: string[];
}

export interface PanelOptions {
  /** A folder with the benchmarks' own files. */
  data: string | undefined;
  /** A file with an ordinary text in each line. */
  texts: string | undefined;
  tasks: readonly string[];
  /** Prompts, questions of each file and items of each task at most, from all over the file. */
  limit: number | undefined;
}

/** @throws LabError what reading the files throws */
export async function readPanel({ data, texts, tasks, limit }: PanelOptions): Promise<Panel> {
  const missing: string[] = [];
  const files: { name: string; sha256: string }[] = [];
  const note = async (file: string): Promise<string> => {
    files.push({ name: path.basename(file), sha256: await sha256File(file) });
    return file;
  };
  const at = async (what: string, names: readonly string[]): Promise<string | undefined> => {
    for (const name of data === undefined ? [] : names) {
      const file = path.join(data ?? "", name);
      if ((await stat(file).catch(() => undefined)) !== undefined) return file;
    }
    missing.push(what);
    return undefined;
  };
  const toxigen = await at("ToxiGen", ["safenlp_toxigen/toxiGen.json", "toxiGen.json"]);
  const sentences =
    toxigen === undefined ? [] : (await readSentences(await note(toxigen))).sentences;
  const xstest = await at("XSTest", PROMPT_FILES);
  const asked = xstest === undefined ? undefined : await readQuestions(await note(xstest));
  const folder = await at("BBQ", ["bbq"]);
  const bbq: Panel["bbq"] = { kind: "bbq", questions: [] };
  for (const name of folder === undefined ? [] : (await readdir(folder)).sort()) {
    if (!name.endsWith(".jsonl")) continue;
    const found = await readQuestions(await note(path.join(folder ?? "", name)));
    if (found.kind === "bbq") bbq.questions.push(...spread(found.questions, limit));
  }
  if (tasks.length === 0) missing.push("tasks");
  return {
    ...{ sentences, bbq, files, missing },
    prompts: {
      kind: "prompts",
      prompts: asked?.kind === "prompts" ? spread(asked.prompts, limit) : [],
    },
    selection: tasks.length === 0 ? undefined : await selectTasks(tasks),
    texts: texts === undefined ? ORDINARY_TEXTS : await readLines(await note(texts)),
  };
}

/** At most `limit` of all, as far from each other as can be. */
export function spread<T>(items: readonly T[], limit: number | undefined): T[] {
  if (limit === undefined || items.length <= limit) return [...items];
  return Array.from(
    { length: limit },
    (_, i) => items[Math.floor((i * items.length) / limit)] as T,
  );
}

async function readLines(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new LabError("bad_input", `${file} has no texts`);
  return lines.map((line) => line.replaceAll("\\n", "\n"));
}

export interface PanelScore {
  part: "toxicity" | "refusals" | "stereotypes" | "utility" | "language";
  name: string;
  value: number;
  /** Sentences, prompts, questions, items or texts that it comes from. */
  count: number;
  interval?: readonly [low: number, high: number];
  better: "higher" | "lower" | "nearer 0";
}

export interface PanelResult {
  scores: PanelScore[];
  /** To the panel's prompts, in order. */
  answers: { answer: string; refused: boolean }[];
}

/**
 * Measures a model. What an earlier attempt left in `folder` is not computed again.
 *
 * @throws LabError `interrupted`, what the parts throw
 */
export async function measurePanel(
  model: LanguageModel,
  panel: Panel,
  options: {
    name: string;
    folder: string;
    maxTokens: number;
    seed: number;
    limit: number | undefined;
    data: string | undefined;
    dataFolder: string;
    signal: AbortSignal;
    onPart: (part: string) => void;
  },
): Promise<PanelResult> {
  const { name, folder, signal, maxTokens, seed, onPart } = options;
  const target = new LocalTarget(model, name);
  const scores: PanelScore[] = [];
  let answers: PanelResult["answers"] = [];
  const sub = async (part: string): Promise<string> => {
    onPart(part);
    const own = path.join(folder, part);
    await mkdir(own, { recursive: true });
    return own;
  };
  const progress = (): void => undefined;
  if (panel.sentences.length > 0) {
    const file = path.join(await sub("toxigen"), "responses.jsonl");
    const losses = await textLosses(
      model,
      panel.sentences.map(({ text }) => text),
      { file, signal },
    );
    const found = toxigenScores(
      panel.sentences,
      losses.map(({ loss }) => loss),
      { seed },
    );
    const count = panel.sentences.length;
    const add = (label: string, average: typeof found.all): void => {
      if (average === undefined) return;
      const { score: value, interval } = average;
      scores.push({ part: "toxicity", name: label, value, count, interval, better: "higher" });
    };
    add("ToxiGen, all groups", found.all);
    add("ToxiGen, groups with p ≤ 0.05", found.kept);
  }
  if (panel.prompts.prompts.length > 0) {
    const begins = [" I", " Sorry"];
    const requests = requestsOf(panel.prompts, { maxTokens, begins });
    const responses = await answersOf(target, requests, {
      folder: await sub("prompts"),
      signal,
      progress,
    });
    const found = scoresOf(panel.prompts, responses, begins);
    answers = found.answers.map((own) => ({
      answer: typeof own["answer"] === "string" ? own["answer"] : "",
      refused: own["refused"] === true,
    }));
    scores.push(...refusalScores(found.scores));
  }
  if (panel.bbq.questions.length > 0) {
    const requests = requestsOf(panel.bbq, { maxTokens, begins: [] });
    const responses = await answersOf(target, requests, {
      folder: await sub("bbq"),
      signal,
      progress,
    });
    scores.push(...bbqRows(scoresOf(panel.bbq, responses, []).scores, panel.bbq.questions.length));
  }
  if (panel.selection !== undefined) {
    const { limit, data, dataFolder } = options;
    const own = await sub("tasks");
    const results = await evaluate({
      ...{ selection: panel.selection, target, folder: own, limit, signal },
      data: { folder: data, dataFolder, hub: { signal } },
    });
    scores.push(...taskScores(results));
  }
  onPart("texts");
  const loss = await textsLoss(model, panel.texts, [], { signal });
  scores.push({
    ...{ part: "language", name: "perplexity of ordinary texts", value: Math.exp(loss) },
    ...{ count: panel.texts.length, better: "lower" },
  });
  return { scores, answers };
}

function refusalScores({
  refusals,
  firstToken,
}: ReturnType<typeof scoresOf>["scores"]): PanelScore[] {
  const rate = (
    name: string,
    own: RefusalRate | undefined,
    better: PanelScore["better"],
  ): PanelScore[] => {
    if (own === undefined) return [];
    const { rate: value, prompts: count, interval } = own;
    return [{ part: "refusals", name, value, count, interval, better }];
  };
  const odds = (
    name: string,
    value: number | undefined,
    of: { prompts: number } | undefined,
    better: PanelScore["better"],
  ): PanelScore[] =>
    value === undefined || of === undefined
      ? []
      : [{ part: "refusals", name, value, count: of.prompts, better }];
  const isTold = refusals?.overRefusal !== undefined || refusals?.refusal !== undefined;
  return [
    ...rate("over-refusal: safe prompts refused", refusals?.overRefusal, "lower"),
    ...rate("unsafe prompts refused", refusals?.refusal, "higher"),
    ...(isTold ? [] : rate("prompts refused", refusals?.all, "higher")),
    ...odds("first token's log odds, safe", firstToken?.safe, refusals?.overRefusal, "lower"),
    ...odds("first token's log odds, unsafe", firstToken?.unsafe, refusals?.refusal, "higher"),
  ];
}

function bbqRows({ bbq }: ReturnType<typeof scoresOf>["scores"], count: number): PanelScore[] {
  const rows = [
    ["BBQ accuracy, ambiguous", bbq?.ambiguousAccuracy, "higher"],
    ["BBQ accuracy, told", bbq?.disambiguatedAccuracy, "higher"],
    ["BBQ bias, ambiguous", bbq?.ambiguousBias, "nearer 0"],
    ["BBQ bias, told", bbq?.disambiguatedBias, "nearer 0"],
  ] as const;
  return rows.flatMap(([name, value, better]) =>
    value === undefined ? [] : [{ part: "stereotypes" as const, name, value, count, better }],
  );
}

/** Every metric of every task, as lm-evaluation-harness names them. */
function taskScores(results: JsonObject): PanelScore[] {
  const [byTask, better, samples] = ["results", "higher_is_better", "n-samples"].map(
    (key) => results[key] as Record<string, Record<string, number | boolean | string>> | undefined,
  );
  return Object.entries(byTask ?? {}).flatMap(([task, metrics]) =>
    Object.entries(metrics).flatMap(([key, value]): PanelScore[] => {
      const [metric = ""] = key.split(",");
      if (!key.includes(",") || key.includes("_stderr") || typeof value !== "number") return [];
      const isBetter = better?.[task]?.[metric] === false ? "lower" : "higher";
      const count = Number(samples?.[task]?.["effective"] ?? 0);
      return [{ part: "utility", name: `${task} ${metric}`, value, count, better: isBetter }];
    }),
  );
}
