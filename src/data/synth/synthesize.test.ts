import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../base/random.ts";
import { PyodideSandbox } from "../../sandbox/pyodide.ts";
import { drawExercise, program, type Exercise } from "./exercise.ts";
import { HeldOut } from "./held-out.ts";
import { COMPOSITION_IDEAS } from "./ideas/compositions.ts";
import { FAMILY_IDEAS } from "./ideas/families.ts";
import type { Idea } from "./ideas/idea.ts";
import { SINGLE_IDEAS, synthesize, type SynthDocument, type SynthReport } from "./synthesize.ts";
import { verifyExercises } from "./verify.ts";

let sandbox: PyodideSandbox;
beforeAll(async () => {
  sandbox = await PyodideSandbox.open();
});
afterAll(() => sandbox[Symbol.asyncDispose]());

const ALL: readonly Idea[] = [...SINGLE_IDEAS, ...FAMILY_IDEAS, ...COMPOSITION_IDEAS];

async function made(
  options: Partial<Parameters<typeof synthesize>[0]> = {},
): Promise<{ documents: SynthDocument[]; report: SynthReport }> {
  const generator = synthesize({ random: new Random(1), characters: 30_000, sandbox, ...options });
  const documents: SynthDocument[] = [];
  let next = await generator.next();
  for (; next.done !== true; next = await generator.next()) documents.push(next.value);
  return { documents, report: next.value };
}

describe("ideas", () => {
  test("have names of their own", () => {
    const ids = ALL.map(({ id }) => id);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  });

  test("both solutions of every idea agree on all inputs that are drawn", async () => {
    const exercises = ALL.map((idea, i) => drawExercise(idea, new Random(i)));
    const verdicts = await verifyExercises(exercises, { sandbox });
    const wrong = verdicts.flatMap(({ problem }, i) =>
      problem === undefined ? [] : [`${exercises[i]!.idea}: ${problem}`],
    );
    expect(wrong).toEqual([]);
  });

  test("every phrase is filled in, and ends as a sentence", () => {
    for (const [i, idea] of ALL.entries())
      for (let seed = 0; seed < 10; seed++) {
        const exercise = drawExercise(idea, new Random(1000 * i + seed));
        expect(program(exercise)).not.toMatch(/\$|<\w|\|.*>|@|undefined/);
        expect(exercise.doc).toMatch(/^[A-Z"].*[^ ]\.$/);
      }
  });
});

describe("verification", () => {
  const exercise = (body: string, check = "return x"): Exercise => ({
    ...{ idea: "test", name: "f", head: "def f(x):", doc: "Return x." },
    body: `    ${body}`,
    check: `def check(x):\n    ${check}`,
    inputs: ["1", "-2"],
  });

  test("refuses what another solution contradicts, what fails and what is no Python, and no other", async () => {
    const verdicts = await verifyExercises(
      [
        exercise("return x"),
        exercise("return abs(x)"),
        exercise("return 1 // 0"),
        exercise("return return"),
        exercise("return float(x)"),
        exercise("raise SystemExit"),
        exercise("return x + 0"),
      ],
      { sandbox },
    );
    expect(verdicts.map(({ problem }) => problem?.split(":")[0])).toEqual([
      undefined,
      "AssertionError",
      "ZeroDivisionError",
      "SyntaxError",
      "AssertionError",
      "SystemExit",
      undefined,
    ]);
    expect(verdicts[0]?.example).toEqual({ input: "1", output: "1" });
  });

  test("one that never ends takes no other with it", async () => {
    await using quick = await PyodideSandbox.open({ timeoutMs: 2_000 });
    const endless = exercise("while True: pass");
    const verdicts = await verifyExercises([exercise("return x"), endless], { sandbox: quick });
    expect(verdicts[0]?.problem).toBeUndefined();
    expect(verdicts[1]?.problem).toMatch(/stopped after/);
  });
});

describe("synthetic material", () => {
  test("is the same for the same seed, and another for another", async () => {
    const [first, again, other] = [
      await made(),
      await made(),
      await made({ random: new Random(2) }),
    ];
    expect(again).toEqual(first);
    expect(other.documents[0]).not.toEqual(first.documents[0]);
  });

  test("has the shares that were asked for", async () => {
    const { documents } = await made({ shares: { functions: 2, stories: 1, lessons: 1 } });
    const characters = (kind: string): number =>
      documents.filter((d) => d.kind === kind).reduce((sum, { text }) => sum + text.length, 0);
    expect(characters("functions") / 30_000).toBeCloseTo(0.5, 1);
    expect(characters("stories") / 30_000).toBeCloseTo(0.25, 1);
    expect(characters("lessons") / 30_000).toBeCloseTo(0.25, 1);
  });

  test("has nothing that a held-out task asks for in the same words", async () => {
    const { documents } = await made({ shares: { functions: 1 } });
    const [first] = documents;
    const heldOut = new HeldOut([
      { prompt: first!.text.slice(0, first!.text.lastIndexOf('"""') + 3) },
    ]);
    const without = await made({ shares: { functions: 1 }, heldOut });
    expect(without.report.heldOut).toBeGreaterThan(0);
    expect(without.documents.filter(({ text }) => heldOut.occursIn(text))).toEqual([]);
  });

  test("refuses kinds that nobody knows, and shares that are none", async () => {
    for (const shares of [{ poems: 1 }, { functions: 0 }, { functions: -1, stories: 2 }])
      await expect(made({ shares })).rejects.toMatchObject({ code: "bad_input" });
  });
});
