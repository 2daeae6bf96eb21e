/** Corpora: reading, cleaning, choosing and mixing what a model learns from. */
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
