/** What the operations that look inside have in common. */
import { LabError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import type { AdapterFiles, ModelHost } from "./model-host.ts";
import { tokenText, type TokenText } from "./token-text.ts";

/** What a request asks for, with the adapter that its model's name had. */
export type Asked<S> = S & { adapter: AdapterFiles | null };

/** What reads the weights themselves reads those of the model without an adapter. */
export function assertPlain(adapter: AdapterFiles | null): void {
  if (adapter === null) return;
  throw new LabError("unsupported", `this looks at a model without an adapter: ${adapter.name}`, {
    hint: "Runs are looked into under adapters: lens, attention, patching, steering, capture. Or merge it: philab adapter merge.",
  });
}

/** What one answer may hold. */
const MAX_ANSWER_BYTES = 512 * 2 ** 20;

/** Throws `bad_input` where arrays are larger than an answer may be. */
export function assertFits(
  sizeBytes: number,
  { what, hint }: { what: string; hint: string },
): void {
  if (sizeBytes <= MAX_ANSWER_BYTES) return;
  const limit = formatBytes(MAX_ANSWER_BYTES);
  const message = `the ${what} take ${formatBytes(sizeBytes)}; an answer holds ${limit}`;
  throw new LabError("bad_input", message, { hint });
}

export function tokensOf({ model }: ModelHost, ids: readonly number[]): TokenText[] {
  const tokenizer = model.hasTokenizer ? model.tokenizer : undefined;
  return ids.map((id) => tokenText(tokenizer, id));
}
