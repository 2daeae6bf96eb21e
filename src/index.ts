/**
 * philab as a library: open a model, let it continue texts, score what may follow, look inside and change what is there.
 *
 * @module philab
 */
export { LabError, type ErrorCode, type ErrorRecord } from "./base/errors.ts";
export type { Device, Mode } from "./base/settings.ts";
export type { DecodeOptions, FinishReason, GeneratedToken } from "./generate/generate.ts";
export {
  LanguageModel,
  type Generation,
  type OpenOptions,
  type Prompt,
} from "./generate/language-model.ts";
export {
  chatPrompt,
  codePrompt,
  DEFAULT_SPEAKERS,
  formatPrompt,
  PROMPT_FORMATS,
  qaPrompt,
  type ChatTurn,
  type FormatOptions,
  type FormattedPrompt,
  type PromptFormat,
  type Speakers,
} from "./generate/prompt.ts";
export type { Alternative } from "./generate/sampler.ts";
export type { SamplingOptions } from "./generate/sampling-options.ts";
export type { Score, ScoredToken } from "./generate/score.ts";
export { Run, type RunOptions } from "./generate/run.ts";
export type { Reuse } from "./generate/sequence.ts";
export { sweep, type Sweep, type SweepOptions } from "./interpret/sweep.ts";
export type { PhiConfig } from "./model/config.ts";
export { convertModel, type ConvertOptions, type ConvertResult } from "./model/convert.ts";
export type { Capture, Plan } from "./model/hooks/capture.ts";
export { editsToJson, type Edit } from "./model/hooks/edits.ts";
export type { Metric } from "./model/hooks/metric.ts";
export type { HookName } from "./model/hooks/names.ts";
export type { Captured } from "./model/hooks/read.ts";
export type { KvCacheType } from "./model/kv-cache.ts";
export {
  QUANTIZATIONS,
  quantizeModel,
  type Quantization,
  type QuantizeOptions,
  type QuantizeResult,
} from "./model/quantize.ts";
export type { TensorProgress, WrittenTensor } from "./model/write-model.ts";
export { open } from "./open.ts";
