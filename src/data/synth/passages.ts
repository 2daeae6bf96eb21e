/**
 * Textbook passages from a grid of topic × audience × constraint, each cell asked of a model behind an endpoint, as
 * Phi-1.5's and Cosmopedia's were. What comes back is checked: code is run, and answers that are none are counted.
 */
import type { JsonObject } from "../../base/json.ts";
import { sha256 } from "../../base/hash.ts";
import { toJson } from "../../base/json.ts";
import type { Endpoint } from "../../endpoint/index.ts";
import type { PythonSandbox } from "../../sandbox/types.ts";
import type { Document } from "../document.ts";
import type { PartMaker } from "./corpus.ts";
import { HeldOut, wordsOf, type HeldOutTask } from "./held-out.ts";

export const DEFAULT_AUDIENCES = [
  "a child of ten",
  "a beginner in programming",
  "a student of another subject",
  "an experienced programmer",
] as const;
export const DEFAULT_CONSTRAINTS = [
  "with one worked example in Python",
  "with an exercise and its solution in Python",
  "as a dialogue between a teacher and a student, with code",
  "with a common mistake and how to mend it, in Python",
] as const;

export interface Cell {
  topic: string;
  audience: string;
  constraint: string;
}

/** Every combination: neighbours in the list differ in their topic. */
export function gridCells({
  topics,
  audiences,
  constraints,
}: {
  topics: readonly string[];
  audiences: readonly string[];
  constraints: readonly string[];
}): Cell[] {
  return constraints.flatMap((constraint) =>
    audiences.flatMap((audience) => topics.map((topic) => ({ topic, audience, constraint }))),
  );
}

/** What a model is asked to go on with, in the format of Phi-2's card. */
function passagePrompt({ topic, audience, constraint }: Cell): string {
  return `Instruct: Write a short passage of a textbook about ${topic}, for ${audience}, ${constraint}.\nOutput:`;
}

/** Why an answer is no passage; undefined for one that is. */
function whatIsWrong(text: string): "too short" | "repeats itself" | undefined {
  const words = wordsOf(text);
  if (words.length < SHORTEST_WORDS) return "too short";
  const pairs = words.slice(1).map((word, i) => `${words[i]!} ${word}`);
  return new Set(pairs).size < pairs.length * LEAST_DISTINCT_PAIRS ? "repeats itself" : undefined;
}

const SHORTEST_WORDS = 20;
const LEAST_DISTINCT_PAIRS = 0.4;
const PART_CELLS = 32;

/** The Python of a text: what stands in fences, or undefined. */
function fencedPython(text: string): string | undefined {
  const blocks = [...text.matchAll(/```(?:python|py)?\n([^]*?)```/g)].map(([, code = ""]) => code);
  return blocks.length === 0 ? undefined : blocks.join("\n");
}

export interface PassageOptions {
  endpoint: Endpoint;
  cells: readonly Cell[];
  maxTokens: number;
  temperature: number;
  heldOut: readonly HeldOutTask[];
  sandbox: PythonSandbox;
  signal: AbortSignal;
}

/** Asks for the cells of a part one after the other; a part that is done is not asked for again. */
export function passageParts(options: PassageOptions): PartMaker {
  const { endpoint, cells, maxTokens, temperature, sandbox, signal } = options;
  const heldOut = new HeldOut(options.heldOut);
  const described: JsonObject = {
    ...{ from: "endpoint", model: endpoint.model, maxTokens, temperature },
    grid: sha256(toJson(cells)),
    ...(options.heldOut.length === 0 ? {} : { heldOut: sha256(toJson(options.heldOut)) }),
  };
  return {
    options: described,
    parts: Math.ceil(cells.length / PART_CELLS),
    async *make(part, refuse): AsyncGenerator<Document> {
      const start = part * PART_CELLS;
      for (const [i, cell] of cells.slice(start, start + PART_CELLS).entries()) {
        const prompt = passagePrompt(cell);
        const request = { prompt, maxTokens, temperature, stop: ["\nInstruct:"] };
        const text = (await endpoint.complete(request, { signal })).text.trim();
        const code = fencedPython(text);
        const problem =
          whatIsWrong(text) ??
          (heldOut.occursIn(text) ? "held out" : undefined) ??
          (code !== undefined && (await sandbox.run(code, { signal })).status !== "passed"
            ? "code fails"
            : undefined);
        if (problem !== undefined) {
          refuse(problem);
          continue;
        }
        yield {
          id: `passage/${start + i}`,
          text,
          source: `synth/${endpoint.model}`,
          licence: null,
          language: "en",
          scores: {},
          metadata: { ...cell, ran: code !== undefined },
        };
      }
    },
  };
}
