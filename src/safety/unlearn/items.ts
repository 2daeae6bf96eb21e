/** Questions with answers, to be forgotten or kept, as tokens. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import { readRows } from "../../evaluate/data/read-file.ts";
import { IGNORED } from "../../tensor/targets.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import type { Batch } from "../../train/index.ts";

const rowSchema = z.union([
  z.object({ question: z.string().min(1), answer: z.string().min(1) }),
  z
    .object({ prompt: z.string().min(1), completion: z.string().min(1) })
    .transform(({ prompt, completion }) => ({ prompt, completion })),
]);

/** A text, and where its answer begins. */
export interface UnlearningItem {
  ids: readonly number[];
  /** Place of the answer's first token. */
  answerAt: number;
}

/**
 * Rows with `question` and `answer`, asked as TOFU asks Phi (Maini et al. 2024), or with `prompt` and `completion`, taken as
 * they are.
 *
 * @throws LabError `not_found`, `bad_input` for other columns, `too_long`
 */
export async function readItems(
  file: string,
  { tokenizer, contextLength }: { tokenizer: Tokenizer; contextLength: number },
): Promise<UnlearningItem[]> {
  const rows = await readRows(file);
  if (rows.length === 0) throw new LabError("bad_input", `${file} has no rows`);
  return rows.map((row, i) => {
    const parsed = rowSchema.safeParse(row);
    if (!parsed.success)
      throw new LabError("bad_input", `${file}: row ${i + 1} has ${Object.keys(row).join(", ")}`, {
        hint: "Rows need the columns question and answer, or prompt and completion.",
      });
    const { data } = parsed;
    const [before, answer] =
      "question" in data
        ? [`Question: ${data.question}\n`, `Answer: ${data.answer}`]
        : [data.prompt, data.completion];
    const ids = tokenizer.promptIds(before + answer);
    const answerAt = Math.max(1, tokenizer.promptIds(before).length);
    if (ids.length > contextLength)
      throw new LabError("too_long", `${file}: row ${i + 1} has ${ids.length} tokens`, {
        hint: `The context holds ${contextLength}.`,
      });
    if (ids.length <= answerAt)
      throw new LabError("bad_input", `${file}: row ${i + 1}: the answer has no token of its own`);
    return { ids, answerAt };
  });
}

const LENGTH_MULTIPLE = 32;

/** Items side by side, padded; only answers are learned. */
export function batchOf(items: readonly UnlearningItem[]): Batch {
  const longest = Math.max(...items.map(({ ids }) => ids.length));
  const length = LENGTH_MULTIPLE * Math.ceil(longest / LENGTH_MULTIPLE);
  const size = items.length * length;
  const batch: Batch = {
    ...{ sequences: items.length, length, tokens: 0, learned: 0, epoch: 0, index: 0 },
    ids: new Int32Array(size),
    targets: new Int32Array(size).fill(IGNORED),
    positions: Int32Array.from({ length: size }, (_, i) => i % length),
    documents: new Int32Array(size).fill(-1),
  };
  items.forEach(({ ids, answerAt }, row) => {
    batch.ids.set(ids, row * length);
    batch.documents.fill(0, row * length, row * length + ids.length);
    batch.targets.set(ids.slice(answerAt), row * length + answerAt - 1);
    batch.tokens += ids.length;
    batch.learned += ids.length - answerAt;
  });
  return batch;
}

/** `count` items at a time, in an order that a seed decides, again and again. */
export function* cycle(
  items: readonly UnlearningItem[],
  { count, random }: { count: number; random: Random },
): Generator<UnlearningItem[], never, undefined> {
  let left: UnlearningItem[] = [];
  for (;;) {
    const taken: UnlearningItem[] = [];
    while (taken.length < count) {
      if (left.length === 0)
        left = Array.from(random.permutation(items.length), (i) => items[i] as UnlearningItem);
      taken.push(left.pop() as UnlearningItem);
    }
    yield taken;
  }
}
