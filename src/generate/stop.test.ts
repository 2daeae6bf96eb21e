import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import { PHI_MICRO } from "../../test/support/tokenizers.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/index.ts";
import { StopScanner } from "./stop.ts";

/** What comes out in the end when a text arrives in these pieces, and whether it was stopped. */
function scan(
  stops: readonly string[],
  pieces: readonly string[],
): { text: string; stopped: boolean } {
  const scanner = new StopScanner(stops);
  let text = "";
  for (const piece of pieces) {
    const scanned = scanner.push(piece);
    text += scanned.text;
    if (scanned.stopped) return { text, stopped: true };
  }
  return { text: text + scanner.flush(), stopped: false };
}

/** The definition: make the text longer character by character until it ends with a stop string, and cut that off. */
function cutAtFirstStop(
  stops: readonly string[],
  text: string,
): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (ending.length > 0) {
      const longest = Math.max(...ending.map((stop) => stop.length));
      return { text: text.slice(0, end - longest), stopped: true };
    }
  }
  return { text, stopped: false };
}

const few = fc.constantFrom("a", "b", "\n", "🙂");
const stopLists = fc.array(fc.string({ unit: few, minLength: 1, maxLength: 5 }), { maxLength: 4 });
const pieceLists = fc.array(fc.string({ unit: few, maxLength: 6 }), { maxLength: 15 });

describe("a text with stop strings", () => {
  test("is what naive cutting gives, however it is cut into pieces", () => {
    fc.assert(
      fc.property(stopLists, pieceLists, (stops, pieces) => {
        expect(scan(stops, pieces)).toEqual(cutAtFirstStop(stops, pieces.join("")));
      }),
      { numRuns: 3000 },
    );
  });

  test("never shows any part of a stop string, and holds back no more than it must", () => {
    fc.assert(
      fc.property(stopLists, pieceLists, (stops, pieces) => {
        const scanner = new StopScanner(stops);
        let shown = "";
        let all = "";
        for (const piece of pieces) {
          const scanned = scanner.push(piece);
          shown += scanned.text;
          all += piece;
          if (scanned.stopped) break;
          const held = all.slice(shown.length);
          expect(all.startsWith(shown)).toBe(true);
          const begins = (text: string): boolean =>
            stops.some((s) => s !== text && s.startsWith(text));
          if (held !== "") expect(begins(held)).toBe(true);
          for (let i = 0; i < shown.length; i++) expect(begins(all.slice(i))).toBe(false);
        }
        expect(cutAtFirstStop(stops, all).text.startsWith(shown)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("examples", () => {
  test("a stop string across three pieces is left out", () => {
    const scanner = new StopScanner(["\nInstruct:"]);
    expect(scanner.push("7.\n")).toEqual({ text: "7.", stopped: false });
    expect(scanner.push("Inst")).toEqual({ text: "", stopped: false });
    expect(scanner.push("ruct: next")).toEqual({ text: "", stopped: true });
    expect(scanner.push("more")).toEqual({ text: "", stopped: true });
    expect(scanner.flush()).toBe("");
  });

  test("what only looked like a stop string comes out as soon as it cannot be one", () => {
    const scanner = new StopScanner(["\nInstruct:"]);
    expect(scanner.push("a\nIn").text).toBe("a");
    expect(scanner.push("d").text).toBe("\nInd");
    expect(scanner.push("\n").text).toBe("");
    expect(scanner.flush()).toBe("\n");
  });

  test("the stop string that is complete first counts, and of two that end together the longest", () => {
    expect(scan(["abcd", "bc"], ["xabcd"])).toEqual({ text: "xa", stopped: true });
    expect(scan(["bc", "abc"], ["xabcd"])).toEqual({ text: "x", stopped: true });
  });

  test("an empty stop string is refused", () => {
    expect(() => new StopScanner(["a", ""])).toThrow(/a stop string is empty/);
  });
});

describe("together with a tokenizer", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(PHI_MICRO);
  });

  test("stop strings are found across tokens and in characters that are split between tokens", () => {
    const texts = fc.string({
      unit: fc.constantFrom("a", " ", "é", "🙂", "中", "\n", "Bob:"),
      maxLength: 30,
    });
    const stops = fc.array(
      fc.string({ unit: fc.constantFrom("a", "é", "🙂", "中", "\n"), minLength: 1, maxLength: 3 }),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(texts, stops, (text, list) => {
        const decoder = tokenizer.decoder();
        const pieces = tokenizer.encode(text).map((id) => decoder.push(id));
        expect(scan(list, [...pieces, decoder.flush()])).toEqual(cutAtFirstStop(list, text));
      }),
      { numRuns: 1000 },
    );
  });
});
