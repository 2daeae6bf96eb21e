/**
 * Learning the merges of a byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909): again and again, the most
 * frequent pair of neighbours becomes a token. Counts are kept up to date where a merge changes a word, and a heap
 * offers the most frequent pair, so that a merge costs no more than the words that hold it.
 *
 * The merges are those of Hugging Face's tokenizers (`BpeTrainer` 0.23), ties included: of equally frequent pairs the
 * one with the lower left id, then the lower right id, comes first.
 */
import { PairCounts } from "./pair-counts.ts";

/** Different words (the pieces that `pretokenize.ts` cuts) as token ids, and how often each occurs. */
export interface CountedWords {
  /** Of all words, one after the other. Overwritten: words shrink where they stand. */
  ids: Int32Array;
  /** Where each word begins; one more than words. */
  starts: Int32Array;
  counts: Float64Array;
}

export interface LearnedMerge {
  left: number;
  right: number;
  /** How often the pair occurred. */
  count: number;
}

/** A pair on the heap with the words that it was found in. The count may have fallen since; that is seen when it comes up. */
interface Candidate {
  pair: number;
  count: number;
  words: number[];
}

export class MergeLearner {
  readonly #words: CountedWords;
  readonly #lengths: Int32Array;
  readonly #pairs = new PairCounts();
  readonly #heap: Candidate[] = [];
  /** Words in which a pair has newly appeared, by pair; emptied into the heap. */
  readonly #appeared = new Map<number, number[]>();

  constructor(words: CountedWords) {
    this.#words = words;
    const { ids, starts, counts } = words;
    this.#lengths = Int32Array.from(counts, (_, word) => starts[word + 1]! - starts[word]!);
    for (let word = 0; word < counts.length; word++)
      for (let at = starts[word]! + 1; at < starts[word + 1]!; at++)
        this.#appear(ids[at - 1]!, ids[at]!, word);
    this.#offer();
  }

  /** The most frequent pair, which is to be joined next; undefined when none occurs at least `minFrequency` times. */
  next(minFrequency: number): LearnedMerge | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return undefined;
      const count = this.#pairs.count(top.pair);
      if (count !== top.count) {
        top.count = count;
        this.#sink(0);
        continue;
      }
      if (count < Math.max(1, minFrequency)) return undefined;
      return { left: this.#pairs.left(top.pair), right: this.#pairs.right(top.pair), count };
    }
  }

  /** Leaves the pair that `next` gave as it is, for good. */
  skip(): void {
    this.#pop();
  }

  /** Joins the pair that `next` gave into the token `joined`, wherever it occurs. */
  join(joined: number): void {
    const { pair, words } = this.#pop();
    const left = this.#pairs.left(pair);
    const right = this.#pairs.right(pair);
    for (const word of words) this.#joinInWord(word, { left, right, joined });
    this.#offer();
  }

  /** How many tokens all words have by now, repeated words counted each time. */
  tokenCount(): number {
    const { counts } = this.#words;
    return this.#lengths.reduce((sum, length, word) => sum + length * counts[word]!, 0);
  }

  #joinInWord(
    word: number,
    { left, right, joined }: { left: number; right: number; joined: number },
  ): void {
    const { ids, starts, counts } = this.#words;
    const start = starts[word]!;
    const end = start + this.#lengths[word]!;
    const count = counts[word]!;
    let write = start;
    for (let read = start; read < end; read++) {
      const id = ids[read]!;
      if (id !== left || read + 1 >= end || ids[read + 1] !== right) {
        ids[write++] = id;
        continue;
      }
      if (write > start) {
        const before = ids[write - 1]!;
        this.#pairs.add(before, left, -count);
        this.#appear(before, joined, word);
      }
      if (read + 2 < end) {
        const after = ids[read + 2]!;
        this.#pairs.add(right, after, -count);
        this.#appear(joined, after, word);
      }
      ids[write++] = joined;
      read++;
    }
    this.#lengths[word] = write - start;
  }

  #appear(left: number, right: number, word: number): void {
    const pair = this.#pairs.add(left, right, this.#words.counts[word]!);
    const words = this.#appeared.get(pair);
    if (words === undefined) this.#appeared.set(pair, [word]);
    else if (words.at(-1) !== word) words.push(word);
  }

  /** Puts the pairs that have appeared on the heap. */
  #offer(): void {
    for (const [pair, words] of this.#appeared) {
      const count = this.#pairs.count(pair);
      if (count > 0) this.#push({ pair, count, words });
    }
    this.#appeared.clear();
  }

  #comesBefore(a: Candidate, b: Candidate): boolean {
    if (a.count !== b.count) return a.count > b.count;
    const byLeft = this.#pairs.left(a.pair) - this.#pairs.left(b.pair);
    return byLeft !== 0 ? byLeft < 0 : this.#pairs.right(a.pair) < this.#pairs.right(b.pair);
  }

  #push(candidate: Candidate): void {
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(candidate);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!this.#comesBefore(candidate, heap[parent]!)) break;
      heap[hole] = heap[parent]!;
      hole = parent;
    }
    heap[hole] = candidate;
  }

  /** Takes the first candidate off the heap, which is not empty. */
  #pop(): Candidate {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.#sink(0);
    }
    return top;
  }

  #sink(place: number): void {
    const heap = this.#heap;
    const candidate = heap[place]!;
    let hole = place;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#comesBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#comesBefore(heap[child]!, candidate)) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = candidate;
  }
}
