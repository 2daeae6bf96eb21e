/** Training data as streams of batches, from what a recipe's options say. */
import path from "node:path";
import { LabError } from "../base/errors.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { BatchStream } from "./data/batches.ts";
import type { DataOptions } from "./data-options.ts";
import { holdOut, type Dataset, type DatasetKind } from "./data/dataset.ts";
import { describeData } from "./data/describe.ts";
import { loadData, type LoadOptions } from "./data/load.ts";
import { previewSequence, type LearnedToken } from "./data/preview.ts";
import type { LoopOptions } from "./options.ts";

export interface PreparedData {
  train: BatchStream;
  evaluation: BatchStream | undefined;
  kind: DatasetKind;
  /** The first example as it is learned; of a pair, the chosen and the rejected. */
  previews: readonly (readonly LearnedToken[])[];
  /** Of the text that the evaluation predicts, for bits per byte. */
  bytesPerToken: number | undefined;
  /** SHA-256 of what is trained on: tokens, and which of them are learned. */
  fingerprint: string;
  facts: readonly string[];
  warnings: readonly string[];
}

/**
 * Reads, tokenises, holds out and packs.
 *
 * @param options.length - T, within the model's context
 * @param options.folder - the run's, where rows that are put aside go
 */
export async function prepareData(
  options: DataOptions &
    Pick<LoopOptions, "perDeviceTrainBatchSize" | "numTrainEpochs" | "maxSteps"> & { seed: number },
  {
    tokenizer,
    length,
    folder,
    ...more
  }: { tokenizer: Tokenizer; length: number; folder?: string | undefined } & Pick<
    LoadOptions,
    "form" | "columns" | "format" | "maskHistory" | "trainOnPrompts" | "signal" | "onProgress"
  >,
): Promise<PreparedData> {
  const { packing, attendAcross, seed, perDeviceTrainBatchSize: batchSize, valSize } = options;
  if (valSize !== undefined && options.evalData.length > 0)
    throw new LabError("bad_input", "data to evaluate on is named, and held out as well", {
      hint: "Leave --val-size or --eval-data out.",
    });
  const load = async (paths: readonly string[], quarantine: string) =>
    loadData(paths, {
      ...more,
      ...{ tokenizer, length, anyLength: packing === "wrapped", limit: options.maxSamples },
      ...{ skipBadRows: options.skipBadRows, onOverflow: options.onOverflow },
      ...(folder === undefined ? {} : { quarantineFile: path.join(folder, quarantine) }),
    });
  const { dataset, report } = await load(options.data, "bad-rows.jsonl");
  const described = describeData(report);
  const facts = [...described.facts];
  const warnings = [...described.warnings];
  let [train, held]: [Dataset, Dataset | undefined] = [dataset, undefined];
  if (valSize !== undefined) ({ train, held } = holdOut(dataset, { size: valSize, seed }));
  else if (options.evalData.length > 0) {
    const evaluated = await load(options.evalData, "bad-rows-eval.jsonl");
    held = evaluated.dataset;
    warnings.push(...describeData(evaluated.report).warnings);
  }
  if (held !== undefined) facts.push(`${held.examples.length} examples to evaluate on`);
  const batches = { batchSize, packing, attendAcross, seed };
  const epochs = options.maxSteps === undefined ? options.numTrainEpochs : Infinity;
  return {
    train: new BatchStream(train, { ...batches, epochs }),
    evaluation: held && new BatchStream(held, { ...batches, shuffle: false }),
    fingerprint: train.fingerprint(),
    kind: dataset.kind,
    previews: [0, 1]
      .slice(0, dataset.kind === "pairs" ? 2 : 1)
      .map((sequence) => previewSequence(dataset.store, sequence, tokenizer)),
    bytesPerToken: held && bytesPerToken(held, tokenizer),
    facts,
    warnings,
  };
}

/** Bytes of text for each token that is learned; undefined for data that is not learned whole. */
function bytesPerToken(
  { kind, store, examples }: Dataset,
  tokenizer: Tokenizer,
): number | undefined {
  if (kind !== "text") return undefined;
  let [bytes, learned] = [0, 0];
  for (const sequence of examples) {
    const [start, length] = [store.start(sequence), store.length(sequence)];
    // Nobody predicts the first, and the end token is no text.
    const ids = Array.from({ length: length - 1 }, (_, i) => store.id(start + 1 + i));
    bytes += Buffer.byteLength(tokenizer.decode(ids.filter((id) => id !== tokenizer.eosTokenId)));
    learned += ids.length;
  }
  return bytes / learned;
}
