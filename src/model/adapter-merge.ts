/** A model with an adapter merged into its weights: W + s·B·A, streamed into new files. */
import { openCheckpoint } from "../checkpoint/open.ts";
import { openAdapter } from "./adapter-file.ts";
import { fitAdapter } from "./adapter-source.ts";
import { RowMerger } from "./adapter-delta.ts";
import { configFromCheckpoint } from "./config.ts";
import { convertModel, type ConvertOptions, type ConvertResult } from "./convert.ts";

export interface MergeOptions extends Omit<ConvertOptions, "from" | "changes"> {
  /** A model directory, or a file of weights. */
  model: string;
  /** An adapter's directory or GGUF file. */
  adapter: string;
}

export interface MergeResult extends ConvertResult {
  /** Parameters that the adapter changed, by Hugging Face name. */
  changed: readonly string[];
  notes: readonly string[];
}

/**
 * Writes the model with the adapter merged into it, whole or not at all; memory does not grow with the model. The result
 * needs no adapter, costs what the model costs, and can be quantised.
 *
 * @throws LabError what `openAdapter`, `fitAdapter` and `convertModel` throw
 */
export async function mergeAdapter({
  model,
  adapter,
  ...options
}: MergeOptions): Promise<MergeResult> {
  const stored = await openAdapter(adapter);
  const { modules } = fitAdapter(stored, configFromCheckpoint(await openCheckpoint(model)));
  using merger = new RowMerger();
  const changes = new Map(
    [...modules].map(([name, source]) => [
      `${name}.weight`,
      async () => merger.change(source, await source.read()),
    ]),
  );
  const result = await convertModel({ ...options, from: model, changes });
  return { ...result, changed: [...changes.keys()], notes: stored.notes };
}
