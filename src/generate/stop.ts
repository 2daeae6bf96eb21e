import { LabError } from "../base/errors.ts";

export interface ScannedText {
  /** Text that is certain by now: it precedes every stop string, and no part of it can begin one. */
  text: string;
  /** A stop string was found; it and what follows are left out, and nothing more is taken. */
  stopped: boolean;
}

/**
 * Finds stop strings in a text that arrives in pieces, and holds back the end of what has come as long as it may turn
 * out to be the beginning of one. However the text is cut into pieces, the same text comes out.
 *
 * The stop string that is complete first counts; of several that are complete at the same character, the longest.
 * The pieces are whole characters, as the tokenizer's decoder gives them.
 */
export class StopScanner {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = "";
  #stopped = false;

  /** Throws `bad_input` for an empty stop string, which would end every text at once. */
  constructor(stops: readonly string[]) {
    if (stops.includes(""))
      throw new LabError("bad_input", "a stop string is empty", { hint: "Leave it out." });
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  /** Takes a piece of text and gives what has become certain. */
  push(piece: string): ScannedText {
    if (this.#stopped) return { text: "", stopped: true };
    const text = this.#held + piece;
    const start = this.#findStop(text);
    if (start !== undefined) {
      this.#stopped = true;
      this.#held = "";
      return { text: text.slice(0, start), stopped: true };
    }
    const certain = text.length - this.#heldLength(text);
    this.#held = text.slice(certain);
    return { text: text.slice(0, certain), stopped: false };
  }

  /** Ends the text: gives what was held back, since no stop string came of it. */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Where the stop string begins that ends first; of those that end there, the longest. */
  #findStop(text: string): number | undefined {
    let start: number | undefined;
    let end = Infinity;
    for (const stop of this.#stops) {
      const found = text.indexOf(stop);
      if (found < 0) continue;
      const foundEnd = found + stop.length;
      if (foundEnd < end || (foundEnd === end && found < start!)) {
        start = found;
        end = foundEnd;
      }
    }
    return start;
  }

  /** Length of the longest end of a text that is the beginning of a stop string. */
  #heldLength(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length--) {
      const end = text.slice(-length);
      if (this.#stops.some((stop) => stop.length > length && stop.startsWith(end))) return length;
    }
    return 0;
  }
}
