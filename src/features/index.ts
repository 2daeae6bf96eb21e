/**
 * Sparse dictionaries of what a model computes: trained, measured, spliced in; in SAELens' files.
 *
 * @module philab/features
 */
export { attributionGraph } from "./attribution/attribute.ts";
export { pruneGraph, type AttributionGraph, type PrunedGraph } from "./attribution/graph.ts";
export { intervene } from "./attribution/intervene.ts";
export { decoderRow, encoderRow, type Activation, type Dictionary } from "./dictionary.ts";
export { reconstruct, type EncodedRows } from "./encode-pass.ts";
export { evaluateDictionary, type DictionaryMetrics } from "./evaluate.ts";
export { dictionaryJob } from "./job.ts";
export { LoadedDictionary } from "./record.ts";
export { readDictionary, writeDictionary } from "./sae-lens.ts";
export { splice, type Splice, type SpliceOptions } from "./splice.ts";
export { trainDictionary, type TrainingSetup } from "./train.ts";
export { transcodersByLayer } from "./transcoders.ts";
