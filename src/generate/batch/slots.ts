/**
 * The caches that texts of a batch are read into. A cache keeps what its last text left, and the next text that begins alike
 * takes it, or a copy of what both begin with.
 */
import type { KvCacheType } from "../../model/kv-cache.ts";
import type { Runner } from "../../model/runner.ts";
import { Sequence } from "../sequence.ts";

export interface Slot {
  readonly sequence: Sequence;
  busy: boolean;
  /** When it was given out last: a count, not a time. */
  used: number;
}

export interface SlotOptions {
  /** Texts that are in work at the same time. */
  count: number;
  /** Tokens that each cache holds. */
  capacity: number;
  type: KvCacheType;
  /** Whether what a row gives depends on no row beside it: then every token of a prompt can be kept, not only whole blocks. */
  independentRows: boolean;
}

export class Slots implements Disposable {
  readonly #runner: Runner;
  readonly #options: SlotOptions;
  readonly #slots: Slot[] = [];
  #given = 0;

  constructor(runner: Runner, options: SlotOptions) {
    this.#runner = runner;
    this.#options = options;
  }

  /** How many can be taken. */
  get free(): number {
    return this.#options.count - this.#slots.filter(({ busy }) => busy).length;
  }

  /** The most tokens of a prompt that any cache can keep exactly. */
  keepable(prompt: readonly number[]): number {
    return Math.max(0, ...this.#slots.map(({ sequence }) => sequence.keepable(prompt)));
  }

  /**
   * A free slot for a prompt, with as much of it as any slot knows: the one whose text goes on like the prompt, or, so that
   * no long text is lost to a short beginning, the one that was unused for longest with a copy of that beginning.
   *
   * @throws LabError `out_of_memory`
   */
  take(prompt: readonly number[]): Slot {
    const known = this.#slots.map((slot) => ({ slot, keeps: slot.sequence.keepable(prompt) }));
    const best = known.reduce<{ slot: Slot; keeps: number } | undefined>(
      (a, b) => (a === undefined || b.keeps > a.keeps ? b : a),
      undefined,
    );
    const continues =
      best !== undefined && !best.slot.busy && 2 * best.keeps >= best.slot.sequence.tokens.length;
    const slot = continues ? best.slot : this.#oldest();
    if (best !== undefined && best.keeps > slot.sequence.keepable(prompt))
      slot.sequence.copyFrom(best.slot.sequence, best.keeps);
    slot.busy = true;
    slot.used = ++this.#given;
    return slot;
  }

  giveBack(slot: Slot): void {
    slot.busy = false;
  }

  /** A new one while there may be more, else the free one that was unused for longest. */
  #oldest(): Slot {
    if (this.#slots.length < this.#options.count) {
      const slot = { sequence: new Sequence(this.#runner, this.#options), busy: false, used: 0 };
      this.#slots.push(slot);
      return slot;
    }
    return this.#slots
      .filter(({ busy }) => !busy)
      .reduce((oldest, slot) => (slot.used < oldest.used ? slot : oldest));
  }

  [Symbol.dispose](): void {
    for (const { sequence } of this.#slots) sequence[Symbol.dispose]();
    this.#slots.length = 0;
  }
}
