/**
 * Checkpoints on disk: safetensors and GGUF, reading and writing.
 *
 * @module philab/checkpoint
 */
export { openCheckpoint, readTensor } from "./open.ts";
export { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
export { openGguf, type GgufFile } from "./gguf.ts";
export {
  ggufBoolean,
  ggufInteger,
  ggufIntegers,
  ggufNumber,
  ggufString,
  ggufStrings,
  ggufValue,
} from "./gguf-values.ts";
export {
  writeSafetensors,
  writeSafetensorsParts,
  type SafetensorsOptions,
} from "./safetensors-write.ts";
export { writeGguf } from "./gguf-write.ts";
export type { TensorData } from "./tensor-data.ts";
export type {
  Checkpoint,
  GgufArray,
  GgufCheckpoint,
  GgufType,
  GgufValue,
  SafetensorsCheckpoint,
  TensorEntry,
  TensorSpec,
} from "./types.ts";
