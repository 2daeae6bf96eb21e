import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gist, HeldOut, OVERLAP_WORDS } from "./held-out.ts";

const word = fc.constantFrom(..."ab cd ef gh ij kl mn op qr st uv wx".split(" "));
const docstring = (text: string): { prompt: string } => ({
  prompt: `def f(x):\n    """${text}"""`,
});

describe("held-out tasks", () => {
  test("a docstring is found wherever 13 of its words stand in a row, whatever the signs between", () => {
    const long = fc.array(word, { minLength: OVERLAP_WORDS, maxLength: 20 });
    fc.assert(
      fc.property(long, fc.array(word), fc.array(word), fc.nat(7), (words, before, after, at) => {
        const start = Math.min(at, words.length - OVERLAP_WORDS);
        const copied = words
          .slice(start, start + OVERLAP_WORDS)
          .join(", ")
          .toUpperCase();
        const text = `${before.join(" ")} ${copied} ${after.join(" ")}`;
        expect(new HeldOut([docstring(words.join(" "))]).occursIn(text)).toBe(true);
      }),
    );
  });

  test("one word less of a long docstring is not found, and all of a short one is", () => {
    const words = "one two three four five six seven eight nine ten eleven twelve thirteen".split(
      " ",
    );
    const heldOut = new HeldOut([docstring(words.join(" ")), docstring("Reverse it all.")]);
    expect(heldOut.occursIn(words.slice(1).join(" "))).toBe(false);
    expect(heldOut.occursIn("please reverse it all now")).toBe(true);
    expect(heldOut.occursIn("please reverse it now")).toBe(false);
  });

  test("prompts without a docstring are found as they stand", () => {
    const heldOut = new HeldOut([{ prompt: "Instruct: What is 3 + 4?\nOutput:" }]);
    expect(heldOut.occursIn("Instruct: What is 3 + 4?\nOutput: 7")).toBe(true);
    expect(heldOut.occursIn("Alice: What is 3 + 4?\nBob: 7")).toBe(false);
  });

  test("the gist is the same for another verb, another number, with an example and without", () => {
    const gists = [
      "Return the sum of the first 3 numbers.",
      "Compute the sum of the first 17 numbers.",
      "Work out the sum of the first 3 numbers.\n\n    >>> f(3)\n    6\n    ",
    ].map(gist);
    expect(new Set(gists).size).toBe(1);
    expect(gist("Return True if x is odd.")).toBe(gist("Tell whether x is odd."));
    expect(gist("Return True if x is odd.")).not.toBe(gist("Return True if x is even."));
  });
});
