/** Text to ids and back. */
import { LabError } from "../../base/errors.ts";
import type { OperationContext } from "./operations.ts";
import { tokenText, type TokenText } from "./token-text.ts";

interface TokenizeArguments {
  text: string;
  /** Start token before the text where the model wants one. */
  addSpecial: boolean;
  /** Special tokens written in the text are read as such. */
  parseSpecial: boolean;
}

export async function tokenize(
  { text, addSpecial, parseSpecial }: TokenizeArguments,
  { host }: OperationContext,
): Promise<{ tokens: TokenText[] }> {
  host.assertReadsText();
  const { tokenizer } = host.model;
  const ids = addSpecial
    ? tokenizer.promptIds(text, { parseSpecial })
    : tokenizer.encode(text, { parseSpecial });
  return Promise.resolve({ tokens: ids.map((id) => tokenText(tokenizer, id)) });
}

export async function detokenize(
  { ids }: { ids: number[] },
  { host }: OperationContext,
): Promise<{ text: string }> {
  host.assertReadsText();
  const { vocabSize } = host.model.tokenizer;
  const wrong = ids.find((id) => id >= vocabSize);
  if (wrong !== undefined)
    throw new LabError("bad_input", `token id ${wrong} is not in 0…${vocabSize - 1}`);
  return Promise.resolve({ text: host.model.tokenizer.decode(ids) });
}
