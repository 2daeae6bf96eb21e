/** The parts that lm-evaluation-harness and CPython have numbers for; the whole is in `test/long/lm-eval.test.ts`. */
import { describe, expect, it, test } from "vitest";
import { readFixture } from "../../test/support/golden.ts";
import { PythonRandom } from "./python-random.ts";
import { capitalize, codePoints, strip } from "./python-text.ts";
import { cutAtStops } from "./stops.ts";
import { GSM8K_TASKS } from "./tasks/gsm8k.ts";
import { bleu, rouge } from "./text-overlap.ts";

interface Draw {
  seed: number;
  size: number;
  sample?: number[];
  choices?: number[];
  random?: number;
}
interface Extraction {
  task: string;
  target: string;
  answer: string;
  filter: string;
  found: string;
  exact: number;
}

interface Overlap {
  answer: string;
  reference: string;
  bleu: number;
  rouge1: number;
  rouge2: number;
  rougeLsum: number;
}

const { draws, extraction, overlap } = readFixture<{
  draws: Draw[];
  extraction: Extraction[];
  overlap: Overlap[];
}>("lm-eval.json");

describe("Python's random", () => {
  it("draws the samples of CPython, one after the other", () => {
    for (const seed of new Set(draws.map((draw) => draw.seed))) {
      const random = new PythonRandom(seed);
      for (const draw of draws.filter((own) => own.seed === seed)) {
        const pool = Array.from({ length: draw.size }, (_, i) => i);
        if (draw.sample) expect(random.sample(pool, draw.sample.length)).toEqual(draw.sample);
        else {
          expect(random.choices(pool, 5)).toEqual(draw.choices);
          expect(random.random()).toBe(draw.random);
        }
      }
    }
  });

  it("refuses more than there is", () => {
    expect(() => new PythonRandom(1).sample([1, 2], 3)).toThrow("a sample of 3 from a list of 2");
  });
});

describe("GSM8K", () => {
  it("takes from an answer what the harness takes, and counts as it counts", async () => {
    for (const { task, target, answer, filter, found, exact } of extraction) {
      const known = GSM8K_TASKS.find(({ name }) => name === task);
      const item = known?.item({
        question: "?",
        answer: task === "gsm8k" ? target : `#### ${target}`,
      });
      const responses = [{ text: answer }];
      const about = `${task} ${filter} ${answer}`;
      expect([about, item?.filtered?.(responses)[filter]]).toEqual([about, found]);
      const scores = await item?.score(responses, {
        sandbox: () => Promise.reject(new Error()),
        signal: new AbortController().signal,
      });
      expect([about, scores?.[`exact_match,${filter}`]]).toEqual([about, exact]);
    }
  });
});

test("texts overlap as sacreBLEU and rouge-score measure it", () => {
  const lines = (text: string): string => text.replaceAll(" . ", ".\n");
  for (const { answer, reference, ...expected } of overlap) {
    const found = { bleu: bleu(answer, reference), ...rouge(lines(answer), lines(reference)) };
    for (const [name, value] of Object.entries(expected))
      expect([answer, name, found[name as keyof typeof found].toFixed(9)]).toEqual([
        answer,
        name,
        value.toFixed(9),
      ]);
  }
});

test("texts are cut as Python cuts them", () => {
  expect(strip("\u001c\u0085 a \u3000\n")).toBe("a");
  expect(strip("\ufeffa\u200b")).toBe("\ufeffa\u200b");
  expect(capitalize("éTUDE In C")).toBe("Étude in c");
  expect(codePoints("a😀b")).toBe(3);
  expect(cutAtStops("one\n\ntwo Q three", ["Q", "\n\n"])).toBe("one");
  expect(cutAtStops("nothing", ["Q"])).toBe("nothing");
});
