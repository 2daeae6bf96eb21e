/**
 * Token sequences in little memory: two or four bytes for each token and a bit that says whether it is learned. Kept in
 * chunks that never move, so that adding to a large store copies nothing.
 */
import { createHash } from "node:crypto";

const CHUNK_TOKENS = 1 << 16;

export class TokenStore {
  readonly #make: () => Uint16Array | Int32Array;
  readonly #ids: (Uint16Array | Int32Array)[] = [];
  readonly #learned: Uint8Array[] = [];
  /** Where each sequence begins; one more than sequences. */
  readonly #starts = [0];
  #learnedTokens = 0;

  /** @param vocabSize - every id will be below it */
  constructor(vocabSize: number) {
    this.#make =
      vocabSize <= 1 << 16
        ? () => new Uint16Array(CHUNK_TOKENS)
        : () => new Int32Array(CHUNK_TOKENS);
  }

  get sequences(): number {
    return this.#starts.length - 1;
  }

  get tokens(): number {
    return this.#starts.at(-1)!;
  }

  get learnedTokens(): number {
    return this.#learnedTokens;
  }

  /** Adds a sequence; `learned` has 1 for each token that is to be predicted, else 0. */
  add(ids: readonly number[], learned: readonly number[]): void {
    let at = this.tokens;
    for (let i = 0; i < ids.length; i++, at++) {
      const place = at % CHUNK_TOKENS;
      if (place === 0) {
        this.#ids.push(this.#make());
        this.#learned.push(new Uint8Array(CHUNK_TOKENS / 8));
      }
      this.#ids.at(-1)![place] = ids[i]!;
      if (learned[i] === 0) continue;
      this.#learned.at(-1)![place >> 3]! |= 1 << (place & 7);
      this.#learnedTokens++;
    }
    this.#starts.push(at);
  }

  /** Where a sequence begins among all tokens. */
  start(sequence: number): number {
    return this.#starts[sequence]!;
  }

  length(sequence: number): number {
    return this.#starts[sequence + 1]! - this.#starts[sequence]!;
  }

  /** The token at a place among all tokens. */
  id(at: number): number {
    return this.#ids[Math.floor(at / CHUNK_TOKENS)]![at % CHUNK_TOKENS]!;
  }

  isLearned(at: number): boolean {
    const place = at % CHUNK_TOKENS;
    const bits = this.#learned[Math.floor(at / CHUNK_TOKENS)]![place >> 3]!;
    return ((bits >> (place & 7)) & 1) === 1;
  }

  /** SHA-256 of all ids, of what is learned, and of where sequences begin. */
  fingerprint(): string {
    const hash = createHash("sha256");
    hash.update(Float64Array.from(this.#starts));
    const lastTokens = this.tokens % CHUNK_TOKENS || CHUNK_TOKENS;
    this.#ids.forEach((chunk, i) => {
      const tokens = i === this.#ids.length - 1 ? lastTokens : CHUNK_TOKENS;
      hash.update(chunk.subarray(0, tokens));
      hash.update(this.#learned[i]!.subarray(0, Math.ceil(tokens / 8)));
    });
    return hash.digest("hex");
  }
}
