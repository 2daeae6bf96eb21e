/** Dictionaries that calls have named, kept in memory: the ones used last, within a bound. */
import { readDictionary } from "../../features/sae-lens.ts";
import type { Dictionary } from "../../features/dictionary.ts";

/** What a call names: where it lies was decided by the server, from its own lists. */
export interface DictionaryFiles {
  name: string;
  path: string;
}

const MOST_BYTES = 2 ** 30;

export class DictionaryShelf {
  readonly #kept = new Map<string, Dictionary>();

  async read({ path }: DictionaryFiles): Promise<Dictionary> {
    const found = this.#kept.get(path) ?? (await readDictionary(path));
    this.#kept.delete(path);
    this.#kept.set(path, found);
    let total = [...this.#kept.values()].reduce((sum, own) => sum + sizeBytesOf(own), 0);
    for (const [other, own] of this.#kept) {
      if (total <= MOST_BYTES || other === path) break;
      this.#kept.delete(other);
      total -= sizeBytesOf(own);
    }
    return found;
  }
}

function sizeBytesOf({ encoder, decoder }: Dictionary): number {
  return encoder.byteLength + decoder.byteLength;
}
