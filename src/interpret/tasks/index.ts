/** The tasks by name. */
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import { didYouMean } from "../../base/suggest.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { agreement } from "./agreement.ts";
import { docstring } from "./docstring.ts";
import { greaterThan } from "./greater-than.ts";
import { inductionPairs } from "./induction.ts";
import { ioi } from "./ioi.ts";
import { pronouns } from "./pronouns.ts";
import { drawPairs, hashPairs, type Draw, type Task } from "./task.ts";

const DRAWS = {
  ioi: ioi(),
  "ioi-classic": ioi(1),
  "greater-than": greaterThan,
  docstring,
  pronouns,
  agreement,
} satisfies Record<string, Draw>;

export const TASK_NAMES: readonly string[] = [...Object.keys(DRAWS), "induction"];

/**
 * Draws a task for a model. The same seed gives the same pairs, on every machine.
 *
 * @param name - one of `TASK_NAMES`; `ioi-classic` is `ioi` with its best-known sentence only
 * @throws LabError `not_found` for an unknown name, `unsupported` where the tokenizer cuts the words so that pairs do not
 *   align; the message shows the tokens
 */
export function createTask(
  model: Pick<LanguageModel, "tokenizer" | "hasTokenizer" | "config">,
  name: string,
  {
    count = 16,
    seed = 0,
    sameLength = false,
  }: {
    count?: number;
    seed?: number;
    /** Whether all pairs have equally many tokens, so that their positions can be compared. */
    sameLength?: boolean;
  } = {},
): Task {
  const random = new Random(seed);
  const finish = (pairs: Task["pairs"]): Task => ({ name, seed, pairs, hash: hashPairs(pairs) });
  if (name === "induction") {
    const tokenizer = model.hasTokenizer ? model.tokenizer : undefined;
    const startToken = tokenizer?.addBosToken === true ? tokenizer.bosTokenId : undefined;
    const endId = tokenizer?.vocabSize ?? model.config.vocabSize;
    return finish(inductionPairs({ random, count, firstId: 1, endId, startToken }));
  }
  const draw = (DRAWS as Record<string, Draw | undefined>)[name];
  if (draw === undefined) {
    const hint = didYouMean(name, TASK_NAMES) ?? `There are ${TASK_NAMES.join(", ")}.`;
    throw new LabError("not_found", `there is no task ${JSON.stringify(name)}`, { hint });
  }
  const { tokenizer } = model;
  return finish(drawPairs(draw, { name, tokenizer, random, count, sameLength }));
}
