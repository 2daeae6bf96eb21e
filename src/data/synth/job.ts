/** Making material as a job: a folder under `runs/` records it, and an interrupted one goes on with the part it was at. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { Endpoint } from "../../endpoint/index.ts";
import { defineJob, type JobDefinition } from "../../jobs/job.ts";
import { PyodideSandbox } from "../../sandbox/pyodide.ts";
import { openCorpus, readCorpus } from "../corpus.ts";
import { corpusHash } from "../manifest.ts";
import { writeSynthCorpus } from "./corpus.ts";
import {
  embeddingSpread,
  textDiversity,
  type EmbeddingSpread,
  type TextDiversity,
} from "./diversity.ts";
import { grammarParts } from "./grammars.ts";
import type { HeldOutTask } from "./held-out.ts";
import { DEFAULT_AUDIENCES, DEFAULT_CONSTRAINTS, gridCells, passageParts } from "./passages.ts";
import { DEFAULT_SHARES } from "./synthesize.ts";

const text = z.string().min(1);

export const synthArguments = z.strictObject({
  out: text,
  seed: z.int().min(0),
  /** Files of tasks that must not occur. */
  heldOut: z.array(text).default([]),
  /** Of the grammars: how much, and how much of each kind. */
  characters: z.int().min(1).default(1_000_000),
  shares: z.record(z.string(), z.number()).default(DEFAULT_SHARES),
  /** A model in whose embeddings the spread of the texts is measured. */
  embedWith: text.optional(),
  /** Asks a model for a passage on each topic, for each audience, under each constraint, instead. */
  endpoint: z
    .strictObject({
      url: text,
      model: text,
      topics: z.array(text).min(1),
      audiences: z
        .array(text)
        .min(1)
        .default([...DEFAULT_AUDIENCES]),
      constraints: z
        .array(text)
        .min(1)
        .default([...DEFAULT_CONSTRAINTS]),
      maxTokens: z.int().min(1),
      temperature: z.number().min(0),
    })
    .optional(),
});
export type SynthArguments = z.input<typeof synthArguments>;

export type SynthResult = {
  folder: string;
  documents: number;
  textBytes: number;
  /** Made and not given, by reason. */
  refused: Record<string, number>;
  diversity: JsonObject & TextDiversity;
  embeddings?: JsonObject & EmbeddingSpread;
  sha256: string;
};

/** Documents that diversity is measured on, and those whose distances from each other are. */
const SAMPLE = 5_000;
const EMBEDDED = 256;

/** What the job needs and does not keep in its record. */
export interface SynthHelpers {
  /** Of the endpoint. */
  apiKey?: string | undefined;
  /** Embeds texts with the model of a name [texts][D]. */
  embed: (model: string, texts: readonly string[]) => Promise<readonly Float32Array[]>;
}

export function synthJob(helpers: SynthHelpers): JobDefinition<typeof synthArguments, SynthResult> {
  return defineJob({
    kind: "synth",
    arguments: synthArguments,
    async run({ arguments: given, signal, progress, describe }) {
      const { out, seed, characters, shares, endpoint: asked } = given;
      const heldOut = (await Promise.all(given.heldOut.map(readTasks))).flat();
      await using sandbox = await PyodideSandbox.open();
      const shared = { heldOut, sandbox, signal };
      const maker =
        asked === undefined
          ? grammarParts({ ...shared, seed, characters, shares })
          : passageParts({
              ...shared,
              endpoint: new Endpoint({ ...helpers, url: asked.url, model: asked.model }),
              cells: gridCells(asked),
              maxTokens: asked.maxTokens,
              temperature: asked.temperature,
            });
      const manifest = await writeSynthCorpus({
        ...{ out, maker, signal, name: path.basename(out) },
        onProgress: (done, total) => {
          progress(done, { total });
        },
      });
      const { documents, rejected } = manifest.history[0]!;
      await describe({ data: [{ name: manifest.name, sha256: corpusHash(manifest) }] });
      const made = manifest.parts.reduce((sum, part) => sum + part.documents, 0);
      if (made === 0)
        throw new LabError("check_failed", `none of ${documents} documents could be used`, {
          hint: `Reasons: ${Object.keys(rejected).join(", ")}.`,
        });
      const sample = await sampleTexts(out, made);
      const stride = Math.ceil(sample.length / EMBEDDED);
      const few = sample.filter((_, i) => i % stride === 0);
      const { embedWith } = given;
      return {
        folder: out,
        documents: made,
        textBytes: manifest.parts.reduce((sum, part) => sum + part.textBytes, 0),
        refused: rejected,
        diversity: { ...textDiversity(sample) },
        ...(embedWith === undefined
          ? {}
          : { embeddings: { ...embeddingSpread(await helpers.embed(embedWith, few)) } }),
        sha256: corpusHash(manifest),
      };
    },
  });
}

/** Rows with a `prompt`. Throws `not_found`, `bad_input` with the line. */
async function readTasks(file: string): Promise<HeldOutTask[]> {
  const lines = (
    await readFile(file, "utf8").catch((error: unknown) => {
      throw LabError.from(error);
    })
  ).split("\n");
  return lines.flatMap((line, i) => {
    if (line.trim() === "") return [];
    try {
      return [z.looseObject({ prompt: z.string().min(1) }).parse(JSON.parse(line))];
    } catch (error) {
      throw new LabError("bad_input", `${file}:${i + 1}: no task with a prompt`, { cause: error });
    }
  });
}

/** Texts from all over the corpus. */
async function sampleTexts(folder: string, documents: number): Promise<string[]> {
  const stride = Math.ceil(documents / SAMPLE);
  const texts: string[] = [];
  let number = 0;
  for await (const document of readCorpus(await openCorpus(folder)))
    if (number++ % stride === 0) texts.push(document.text);
  return texts;
}
