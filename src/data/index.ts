/**
 * Corpora: reading, cleaning, choosing and mixing what a model learns from.
 *
 * @module philab/data
 */
export { openCorpus, readCorpus, readDocuments, type Corpus } from "./corpus.ts";
export {
  documentLine,
  parseDocument,
  withScores,
  type Document,
  type RejectedDocument,
} from "./document.ts";
export { readManifest, type Manifest, type Part, type StageRecord } from "./manifest.ts";
export { writeParquet } from "./parquet.ts";
export { mergePipeline, runOneShard, runPipeline } from "./pipeline.ts";
export { parseShard, planPipeline, type Plan, type SourceInput } from "./plan.ts";
export {
  eachDocument,
  type Stage,
  type StageContext,
  type Survey,
  type Transform,
  type Verdict,
} from "./stage.ts";
export { Random } from "../base/random.ts";
export { annotate, readAnnotations, type Annotation, type Annotator } from "./judge/annotate.ts";
export { crossValidate, type Fit } from "./judge/cross-validate.ts";
export {
  calibration,
  chooseThreshold,
  precisionRecall,
  rocAuc,
  rocCurve,
  type Judged,
  type ThresholdRule,
} from "./judge/curves.ts";
export { embed, type EmbedOptions } from "./judge/embed.ts";
export { execute, type Execution } from "./judge/execute.ts";
export { fitForest, forestScore, type Forest, type ForestOptions } from "./judge/forest.ts";
export { fitLinear, linearScore, type Linear, type LinearOptions } from "./judge/linear.ts";
export { fitNgrams, ngramScore, type NgramModel, type NgramOptions } from "./judge/ngrams.ts";
export {
  embeddingSpread,
  textDiversity,
  type EmbeddingSpread,
  type TextDiversity,
} from "./synth/diversity.ts";
export { HeldOut, type HeldOutTask } from "./synth/held-out.ts";
export {
  DEFAULT_SHARES,
  synthesize,
  type SynthDocument,
  type SynthKind,
  type SynthReport,
} from "./synth/synthesize.ts";
