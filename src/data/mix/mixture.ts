/**
 * A mixture: documents of several corpora in proportion to weights, so often that a budget is filled, in the order of a
 * curriculum's stages. Each stage becomes a folder of rows that `philab train` reads.
 */
import { mkdir, open, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { throwIfInterrupted, writeDirectoryAtomic, writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import { Random } from "../../base/random.ts";
import { openCorpus, type Corpus } from "../corpus.ts";
import { parseDocument } from "../document.ts";
import type { Part } from "../manifest.ts";
import { writePart } from "../part-writer.ts";

const name = z.string().regex(/^[\w-]+$/, "expected letters, digits, _ and -");
const weights = z.record(name, z.number().min(0));

export const mixSchema = z.strictObject({
  name: z.string().min(1),
  /** Tokens in all; counted by the tokenizer that is given, else bytes / 4. */
  tokens: z.int().min(1),
  seed: z.int().min(0).default(0),
  /** By the names that weights use. */
  sources: z.record(
    name,
    z.strictObject({
      corpus: z.string().min(1),
      weight: z.number().min(0).default(1),
      /** More would repeat too often: Muennighoff et al. (arXiv 2305.16264) see little loss up to 4. */
      maxEpochs: z.number().gt(0).default(4),
    }),
  ),
  /** A curriculum: parts of the budget with weights of their own. Default: one stage of everything. */
  stages: z
    .array(z.strictObject({ name, share: z.number().gt(0), weights: weights.optional() }))
    .min(1)
    .default([{ name: "all", share: 1 }]),
});
export type Mix = z.output<typeof mixSchema>;

export interface MixReport {
  name: string;
  tokens: number;
  sources: Record<string, { corpus: string; documents: number; epochs: number; tokens: number }>;
  stages: { name: string; tokens: number; part: Part }[];
}

/** Counts the tokens of a text. */
export type CountTokens = (text: string) => number;

interface Source {
  name: string;
  reader: CorpusReader;
  maxEpochs: number;
  random: Random;
  order: Uint32Array;
  /** Documents taken, over all epochs. */
  taken: number;
  tokens: number;
}

/**
 * Writes the mixture into the folder `out`: `<n>-<stage>/00000.jsonl` and `mix.json`. Within a stage every beginning has the
 * stage's proportions: the source that is furthest behind its share comes next.
 *
 * @throws LabError `bad_input` where a source would be repeated more often than it may, or nothing has a weight
 */
export async function writeMixture(
  mix: Mix,
  {
    out,
    countTokens = (text) => Math.ceil(Buffer.byteLength(text) / 4),
    signal,
    onProgress,
  }: {
    out: string;
    countTokens?: CountTokens | undefined;
    signal?: AbortSignal | undefined;
    onProgress?: ((tokens: number) => void) | undefined;
  },
): Promise<MixReport> {
  const sources = await openSources(mix);
  const shares = mix.stages.reduce((sum, { share }) => sum + share, 0);
  const stages: MixReport["stages"] = [];
  let total = 0;
  const report = (): MixReport => ({
    ...{ name: mix.name, tokens: total },
    sources: Object.fromEntries(
      sources.map(({ name: source, reader, taken, tokens }) => [
        source,
        {
          ...{ corpus: reader.sha256, documents: taken, tokens },
          epochs: reader.count === 0 ? 0 : taken / reader.count,
        },
      ]),
    ),
    stages,
  });
  try {
    await writeDirectoryAtomic(
      out,
      async (folder) => {
        for (const [s, stage] of mix.stages.entries()) {
          const budget = (mix.tokens * stage.share) / shares;
          const chosen = weighted(mix, sources, stage);
          const place = `${s}-${stage.name}`;
          await mkdir(path.join(folder, place));
          let used = 0;
          const file = path.join(folder, place, "00000.jsonl");
          const part = await writePart(
            { file, name: `${place}/00000.jsonl`, signal },
            async (w) => {
              const behind = chosen.map(({ source, share }) => ({ source, share, used: 0 }));
              while (used < budget) {
                throwIfInterrupted(signal);
                const next = behind.reduce((a, b) =>
                  a.used / a.share <= b.used / b.share ? a : b,
                );
                const { text, line } = await draw(next.source);
                const tokens = countTokens(text);
                next.used += Math.max(1, tokens);
                next.source.tokens += tokens;
                used += tokens;
                total += tokens;
                await w.addLine(line);
                onProgress?.(total);
              }
            },
          );
          stages.push({ name: stage.name, tokens: used, part });
        }
        await writeTextAtomic(path.join(folder, "mix.json"), `${toJson(report(), 2)}\n`);
      },
      signal === undefined ? {} : { signal },
    );
  } finally {
    for (const { reader } of sources) await reader.close();
  }
  return report();
}

async function openSources({ sources, seed }: Mix): Promise<Source[]> {
  const opened: Source[] = [];
  for (const [i, [source, { corpus, maxEpochs }]] of Object.entries(sources).entries()) {
    const reader = await CorpusReader.open(await openCorpus(corpus));
    if (reader.count === 0) throw new LabError("bad_input", `${corpus} has no documents`);
    const random = new Random(seed).split(i);
    const state = { order: new Uint32Array(0), taken: 0, tokens: 0 };
    opened.push({ name: source, reader, maxEpochs, random, ...state });
  }
  return opened;
}

/** The sources of a stage with their shares. Throws `bad_input` for weights of sources that are not there. */
function weighted(
  mix: Mix,
  sources: readonly Source[],
  stage: Mix["stages"][number],
): { source: Source; share: number }[] {
  for (const given of Object.keys(stage.weights ?? {}))
    if (!Object.hasOwn(mix.sources, given))
      throw new LabError("bad_input", `stage ${stage.name} weighs ${given}, which is no source`, {
        hint: `There are ${Object.keys(mix.sources).join(", ")}.`,
      });
  const chosen = sources
    .map((source) => {
      const own = stage.weights === undefined ? mix.sources[source.name]?.weight : undefined;
      return { source, share: own ?? stage.weights?.[source.name] ?? 0 };
    })
    .filter(({ share }) => share > 0);
  if (chosen.length > 0) return chosen;
  throw new LabError("bad_input", `no source has a weight in stage ${stage.name}`);
}

/** The next document of a source: every epoch is an order of its own. */
async function draw(source: Source): Promise<{ text: string; line: string }> {
  const { reader, maxEpochs, random } = source;
  if (source.taken >= maxEpochs * reader.count)
    throw new LabError(
      "bad_input",
      `${source.name} has been read ${maxEpochs} times and the budget wants more of it`,
      { hint: "Lower its weight or the budget, or raise its maxEpochs." },
    );
  const at = source.taken % reader.count;
  if (at === 0) source.order = random.split(source.taken / reader.count).permutation(reader.count);
  source.taken++;
  const line = await reader.line(source.order[at] ?? 0);
  return { text: parseDocument(line).text, line };
}

/** Lines of a corpus by number: twelve bytes of memory for each. */
class CorpusReader {
  readonly sha256: string;
  readonly count: number;
  readonly #files: readonly FileHandle[];
  readonly #file: Uint32Array;
  readonly #from: Float64Array;
  readonly #to: Float64Array;

  private constructor(
    sha256: string,
    files: readonly FileHandle[],
    places: { file: Uint32Array; from: Float64Array; to: Float64Array },
  ) {
    this.sha256 = sha256;
    this.count = places.file.length;
    this.#files = files;
    this.#file = places.file;
    this.#from = places.from;
    this.#to = places.to;
  }

  static async open({ folder, manifest, sha256 }: Corpus): Promise<CorpusReader> {
    const count = manifest.parts.reduce((sum, { documents }) => sum + documents, 0);
    const places = {
      file: new Uint32Array(count),
      from: new Float64Array(count),
      to: new Float64Array(count),
    };
    const files: FileHandle[] = [];
    let line = 0;
    for (const [f, part] of manifest.parts.entries()) {
      const handle = await open(path.join(folder, part.name)).catch((error: unknown) => {
        throw LabError.from(error);
      });
      files.push(handle);
      const buffer = Buffer.alloc(1 << 20);
      let [position, start] = [0, 0];
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0) break;
        for (
          let at = buffer.indexOf(10);
          at >= 0 && at < bytesRead;
          at = buffer.indexOf(10, at + 1)
        ) {
          places.file[line] = f;
          places.from[line] = start;
          places.to[line] = position + at;
          start = position + at + 1;
          line++;
        }
        position += bytesRead;
      }
    }
    if (line !== count)
      throw new LabError("corrupt_file", `${folder} has ${line} documents, its manifest ${count}`);
    return new CorpusReader(sha256, files, places);
  }

  async line(number: number): Promise<string> {
    const [from = 0, to = 0] = [this.#from[number], this.#to[number]];
    const bytes = Buffer.alloc(to - from);
    await this.#files[this.#file[number] ?? 0]?.read(bytes, 0, bytes.length, from);
    return bytes.toString("utf8");
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
  }
}
