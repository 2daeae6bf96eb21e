/**
 * Text ⇄ token ids: the byte-level BPE of Phi-1, Phi-1.5, Phi-2 and GPT-2, and that of Llama-2 and Mistral on characters.
 *
 * @module philab/tokenizer
 */
export { TOKEN_TYPE, type TokenizerData } from "./data.ts";
export { tokenizerFromGguf } from "./gguf.ts";
export { sentencePieceFromScores } from "./sentencepiece-files.ts";
export { loadTokenizer, readTokenizerData } from "./load.ts";
export type { Merge } from "./merge-table.ts";
export type { EncodeOptions, Tokenizer } from "./tokenizer.ts";
export type { IncrementalDecoder } from "./utf8.ts";
export { trainTokenizer, type TokenizerTraining, type TrainedTokenizer } from "./train.ts";
export { tokenizerFiles, type TokenizerFiles } from "./write.ts";
