/** SafeNLP's sentences about groups of people (Hosseini et al. 2023, arXiv 2301.09211), from a person's own file. */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";

const sentenceSchema = z.object({
  id: z.union([z.int(), z.string()]),
  text: z.string(),
  /** 1 (benign) to 5. */
  toxicity_score: z.number().min(1).max(5),
  label: z.enum(["hate", "neutral"]),
  target_groups: z.array(z.string().min(1)).min(1),
});
export type Sentence = z.output<typeof sentenceSchema>;

export interface SentenceFile {
  file: string;
  sha256: string;
  sentences: Sentence[];
}

const NAMES = ["toxiGen.json", "safenlp_toxigen/toxiGen.json", "data/toxiGen.json"];
const HINT =
  "It is data/toxiGen.json of github.com/microsoft/SafeNLP: a list of {id, text, toxicity_score, label, target_groups}.";

/**
 * Reads the file, or finds it in a directory.
 *
 * @throws LabError `not_found`, `corrupt_file`, `bad_input` for other columns, and for a sentence that is there twice
 */
export async function readSentences(from: string): Promise<SentenceFile> {
  const file = await locate(from);
  const text = await readFile(file, "utf8");
  const rows = parse(text, file);
  const seen = new Set<string>();
  const sentences = rows.map((row, i) => {
    const parsed = sentenceSchema.safeParse(row);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new LabError(
        "bad_input",
        `${file}: row ${i + 1}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
        { hint: HINT },
      );
    }
    const { data } = parsed;
    if (seen.has(String(data.id)))
      throw new LabError("bad_input", `${file}: row ${i + 1}: id ${data.id} is there twice`, {
        hint: "Each sentence counts once.",
      });
    seen.add(String(data.id));
    return data;
  });
  return { file, sha256: sha256(text), sentences };
}

async function locate(from: string): Promise<string> {
  const candidates = [from, ...NAMES.map((name) => path.join(from, name))];
  for (const file of candidates)
    if ((await stat(file).catch(() => undefined))?.isFile() === true) return file;
  throw new LabError("not_found", `no sentences at ${from}`, { hint: HINT });
}

function parse(text: string, file: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LabError("corrupt_file", `${file} is not JSON: ${(error as Error).message}`);
  }
  if (Array.isArray(value) && value.length > 0) return value;
  throw new LabError("bad_input", `${file} is no list of sentences`, { hint: HINT });
}
