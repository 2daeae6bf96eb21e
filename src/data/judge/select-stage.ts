/** The stage `select`: keeps what scores well and, where it is asked for, what keeps its own word when it is run. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { listOf } from "../../base/suggest.ts";
import { DEFAULT_LIMITS, PyodideSandbox } from "../../sandbox/index.ts";
import type { Document } from "../document.ts";
import type { Stage, StageContext, Transform, Verdict } from "../stage.ts";
import { execute } from "./execute.ts";

export const selectOptions = z.strictObject({
  score: z
    .string()
    .min(1)
    .describe("the score that decides, such as quality.forest")
    .meta({ placeholder: "name" }),
  threshold: z.number().describe("documents with less are taken out"),
  run: z
    .boolean()
    .default(false)
    .describe("run programs that test themselves, and take out those that fail"),
  timeoutMs: z.int().min(1).default(DEFAULT_LIMITS.timeoutMs).describe("time that a program has"),
});
type SelectOptions = z.output<typeof selectOptions>;

export function createSelect(options: SelectOptions): Stage {
  return { name: "select", options, open: (context) => openTransform(options, context) };
}

async function openTransform(
  { score, threshold, run, timeoutMs }: SelectOptions,
  { signal }: StageContext,
): Promise<Transform> {
  const judge = (document: Document): Verdict => {
    const value = document.scores[score];
    if (value === undefined) throw missing(document, score);
    return value < threshold ? { document, rejectedBy: "below" } : { document };
  };
  if (!run) return { apply: (documents) => documents.map(judge) };
  const sandbox = await PyodideSandbox.open();
  return {
    async apply(documents) {
      const verdicts: Verdict[] = [];
      for (const document of documents) {
        const verdict = judge(document);
        verdicts.push(
          verdict.rejectedBy === undefined
            ? await runOne(document, { sandbox, timeoutMs, signal })
            : verdict,
        );
      }
      return verdicts;
    },
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

async function runOne(
  document: Document,
  {
    sandbox,
    ...limits
  }: { sandbox: PyodideSandbox; timeoutMs: number; signal: AbortSignal | undefined },
): Promise<Verdict> {
  const found = await execute(sandbox, document.text, limits);
  return found === "failed"
    ? { document, rejectedBy: found }
    : { document, changes: { [found]: 1 } };
}

function missing({ id, scores }: Document, score: string): LabError {
  const names = Object.keys(scores);
  return new LabError("bad_input", `${id} has no score ${score}`, {
    hint:
      names.length === 0
        ? "philab data classify gives documents scores."
        : `It has ${listOf(names, "and")}.`,
  });
}
