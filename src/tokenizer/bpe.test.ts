import fc from "fast-check";
import { expect, test } from "vitest";

import { BytePairEncoder } from "./bpe.ts";
import { spellByte } from "./byte-alphabet.ts";
import { MergeTable } from "./merge-table.ts";

/** A vocabulary of all bytes and the merges that a list of choices makes, each of two tokens made before. */
function grow(choices: readonly (readonly [number, number])[]): {
  tokens: string[];
  merges: [string, string][];
} {
  const tokens = Array.from({ length: 256 }, (_, byte) => spellByte(byte));
  const usable = ["a", "b", "c"];
  const merges: [string, string][] = [];
  for (const [i, j] of choices) {
    const pair: [string, string] = [usable[i % usable.length]!, usable[j % usable.length]!];
    const joined = pair.join("");
    if (joined.length > 12) continue;
    if (!merges.some(([left, right]) => left === pair[0] && right === pair[1])) merges.push(pair);
    if (!tokens.includes(joined)) {
      tokens.push(joined);
      usable.push(joined);
    }
  }
  return { tokens, merges };
}

/** The definition, word for word: join the leftmost pair of lowest rank until none is left. */
function mergeSlowly(word: string, merges: readonly [string, string][]): string[] {
  const parts = [...word];
  for (;;) {
    const ranks = parts
      .slice(1)
      .map((right, i) => merges.findIndex(([l, r]) => l === parts[i] && r === right));
    const lowest = Math.min(...ranks.filter((rank) => rank >= 0));
    if (lowest === Infinity) return parts;
    const at = ranks.indexOf(lowest);
    parts.splice(at, 2, parts[at]! + parts[at + 1]!);
  }
}

test("words merge as the definition says, whatever the merges and their order", () => {
  const choices = fc.array(fc.tuple(fc.nat(30), fc.nat(30)), { maxLength: 30 });
  const order = fc.array(fc.nat(), { minLength: 30, maxLength: 30 });
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(choices, order, word, (pairs, keys, text) => {
      const { tokens, merges } = grow(pairs);
      const shuffled = merges
        .map((merge, i) => ({ merge, key: keys[i]! }))
        .sort((a, b) => a.key - b.key)
        .map(({ merge }) => merge);
      const ids = new Map(tokens.map((token, id) => [token, id]));
      const encoder = new BytePairEncoder(
        new MergeTable(shuffled, ids, "test"),
        Int32Array.from({ length: 256 }, (_, byte) => byte),
      );
      const expected = mergeSlowly(text, shuffled).map((token) => ids.get(token));
      expect(encoder.encode(text)).toEqual(expected);
      expect(encoder.encode(text)).toEqual(expected); // from the cache
    }),
    { numRuns: 500 },
  );
});
