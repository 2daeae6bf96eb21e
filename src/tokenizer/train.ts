/**
 * Making a tokenizer from text: byte-level byte pair encoding over GPT-2's words, as Phi's own tokenizer was made.
 * The result is token for token that of Hugging Face's tokenizers with `ByteLevel(add_prefix_space=False)` and
 * `BpeTrainer(initial_alphabet=ByteLevel.alphabet())`, as long as both know the same Unicode: letters that are newer than
 * one program's tables are signs to it, and its words end elsewhere.
 */
import { setImmediate as afterEvents } from "node:timers/promises";
import { throwIfInterrupted } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { spellByte } from "./byte-alphabet.ts";
import { TOKEN_TYPE, type TokenizerData } from "./data.ts";
import { MergeLearner, type CountedWords } from "./merge-learner.ts";
import { eachWord } from "./pretokenize.ts";

/** The tokens of single bytes, in the order of their letters' code points. */
const ALPHABET = Array.from({ length: 256 }, (_, byte) => spellByte(byte)).sort();
const MAX_VOCABULARY = 1 << 20;
/** The event loop (Ctrl-C, a server's other requests) gets its turn this often. */
const BREATH_MS = 50;

export interface TokenizerTraining {
  /** Tokens in all: the special ones, one for each byte, the rest merges. */
  vocabSize: number;
  /** A pair that occurs less often becomes no token. Default 2. */
  minFrequency?: number;
  /** Take the first ids. The first of them is the start and the end token. Default `<|endoftext|>`. */
  specialTokens?: readonly string[];
  /** Whether prompts are to begin with the start token. Default false, as for Phi-1, Phi-1.5 and Phi-2. */
  addBosToken?: boolean;
  signal?: AbortSignal | undefined;
  /** Called as texts are read (`bytes` so far), then as merges are found (`tokens` of `vocabSize`). */
  onProgress?: ((progress: { bytes: number } | { tokens: number }) => void) | undefined;
}

export interface TrainedTokenizer {
  /** Fewer tokens than asked for where no more pairs occurred often enough. */
  data: TokenizerData;
  /** Of the texts that it was made from, in UTF-8. */
  bytes: number;
  words: number;
  differentWords: number;
  /** Into how many tokens it cuts these texts. */
  tokens: number;
}

/**
 * Learns a tokenizer from texts, each a document of its own.
 *
 * @throws LabError `bad_input` for a vocabulary too small to hold the bytes, a special token that cannot be one, no text;
 *   `interrupted`
 */
export async function trainTokenizer(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TokenizerTraining,
): Promise<TrainedTokenizer> {
  const { vocabSize, minFrequency = 2, addBosToken = false, signal, onProgress } = options;
  const vocabulary = startVocabulary(options.specialTokens ?? ["<|endoftext|>"], vocabSize);
  const breathe = breather(signal);

  const counter = new WordCounter();
  for await (const text of texts) {
    counter.add(text);
    if (await breathe()) onProgress?.({ bytes: counter.bytes });
  }
  if (counter.words === 0)
    throw new LabError("bad_input", "there is no text to learn a tokenizer from");

  const learner = new MergeLearner(counter.finish(vocabulary.firstByteId));
  const merges = new Map<number, [string, string]>();
  while (vocabulary.tokens.length < vocabSize) {
    const found = learner.next(minFrequency);
    if (found === undefined) break;
    const [left, right] = [vocabulary.tokens[found.left]!, vocabulary.tokens[found.right]!];
    const joined = vocabulary.idOf(left + right);
    if (joined === undefined) {
      learner.skip();
      continue;
    }
    learner.join(joined);
    // A pair can come up again when another merge has made one of its tokens; the later rank is the one that counts.
    const key = found.left * MAX_VOCABULARY + found.right;
    merges.delete(key);
    merges.set(key, [left, right]);
    if (await breathe()) onProgress?.({ tokens: vocabulary.tokens.length });
  }
  return {
    data: {
      tokens: vocabulary.tokens,
      tokenTypes: vocabulary.types(),
      merges: [...merges.values()],
      model: "gpt2",
      pre: "gpt-2",
      ...(vocabulary.firstByteId > 0 ? { bosTokenId: 0, eosTokenId: 0 } : {}),
      addBosToken,
    },
    bytes: counter.bytes,
    words: counter.words,
    differentWords: counter.differentWords,
    tokens: learner.tokenCount(),
  };
}

interface Vocabulary {
  readonly tokens: string[];
  /** Special tokens come before it. */
  readonly firstByteId: number;
  /** The id of a token, which is new where it was unknown; undefined for the text of a special token. */
  idOf(token: string): number | undefined;
  types(): number[];
}

function startVocabulary(specialTokens: readonly string[], vocabSize: number): Vocabulary {
  const least = specialTokens.length + ALPHABET.length;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > MAX_VOCABULARY)
    throw new LabError(
      "bad_input",
      `a vocabulary of ${vocabSize}: it must have from ${least} (${specialTokens.length} special tokens and ${ALPHABET.length} bytes) to ${MAX_VOCABULARY} tokens`,
    );
  const tokens = [...specialTokens, ...ALPHABET];
  const wrong = specialTokens.find((token, i) => token === "" || tokens.lastIndexOf(token) !== i);
  if (wrong !== undefined)
    throw new LabError(
      "bad_input",
      `${JSON.stringify(wrong)} cannot be a special token: it is ${wrong === "" ? "empty" : "there already"}`,
      { hint: "Special tokens look like <|endoftext|>, each given once." },
    );
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return {
    tokens,
    firstByteId: specialTokens.length,
    idOf(token) {
      const known = ids.get(token);
      if (known !== undefined) return known < specialTokens.length ? undefined : known;
      ids.set(token, tokens.length);
      return tokens.push(token) - 1;
    },
    types: () =>
      tokens.map((_, id) => (id < specialTokens.length ? TOKEN_TYPE.control : TOKEN_TYPE.normal)),
  };
}

/** Counts the words of texts. */
class WordCounter {
  readonly #counts = new Map<string, { count: number }>();
  bytes = 0;
  words = 0;

  get differentWords(): number {
    return this.#counts.size;
  }

  add(text: string): void {
    const utf8 = Buffer.from(text, "utf8");
    this.bytes += utf8.length;
    // Read back, so that a lone surrogate is the U+FFFD that it becomes as bytes.
    eachWord(utf8.toString("utf8"), (word) => {
      this.words++;
      const known = this.#counts.get(word);
      if (known !== undefined) known.count++;
      // The key is a new string: a slice of a long text would keep all of it in memory.
      else this.#counts.set(Buffer.from(word, "utf8").toString("utf8"), { count: 1 });
    });
  }

  /** The words as ids of single bytes. */
  finish(firstByteId: number): CountedWords {
    const idOfByte = Int32Array.from(ALPHABET, (_, byte) => {
      return firstByteId + ALPHABET.indexOf(spellByte(byte));
    });
    const words = [...this.#counts].map(([word, { count }]) => ({
      bytes: Buffer.from(word, "utf8"),
      count,
    }));
    const starts = new Int32Array(words.length + 1);
    words.forEach(({ bytes }, i) => (starts[i + 1] = starts[i]! + bytes.length));
    const ids = new Int32Array(starts.at(-1)!);
    words.forEach(({ bytes }, i) => {
      for (let at = 0; at < bytes.length; at++) ids[starts[i]! + at] = idOfByte[bytes[at]!]!;
    });
    return { ids, starts, counts: Float64Array.from(words, ({ count }) => count) };
  }
}

/** Lets other work run when it is due, and then says true. Throws `interrupted` once `signal` is aborted. */
function breather(signal: AbortSignal | undefined): () => Promise<boolean> {
  let lastMs = performance.now();
  return async () => {
    if (performance.now() - lastMs < BREATH_MS) return false;
    await afterEvents();
    throwIfInterrupted(signal);
    lastMs = performance.now();
    return true;
  };
}
