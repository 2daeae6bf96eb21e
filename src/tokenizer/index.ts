/** Text ⇄ token ids: the byte-level BPE of Phi-1, Phi-1.5 and Phi-2, from every file format that holds it. */
export { TOKEN_TYPE, type TokenizerData } from "./data.ts";
export { tokenizerFromGguf } from "./gguf.ts";
export { loadTokenizer, readTokenizerData } from "./load.ts";
export type { Merge } from "./merge-table.ts";
export type { EncodeOptions, Tokenizer } from "./tokenizer.ts";
export type { IncrementalDecoder } from "./utf8.ts";
export { trainTokenizer, type TokenizerTraining, type TrainedTokenizer } from "./train.ts";
export { tokenizerFiles, type TokenizerFiles } from "./write.ts";
