import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PyodideSandbox } from "../../sandbox/index.ts";
import { execute } from "./execute.ts";

/** What is no loop must not fail on a busy machine. */
const PATIENT = { timeoutMs: 60_000 };

let sandbox: PyodideSandbox;
beforeAll(async () => {
  sandbox = await PyodideSandbox.open();
});
afterAll(() => sandbox[Symbol.asyncDispose]());

describe("what running a document says", () => {
  test.each([
    ["def f(x):\n    return 2 * x\n\nassert f(2) == 4\n", "verified"],
    ["def f(x):\n    return x\n\nassert f(2) == 4\n", "failed"],
    ["import no_such_module\nassert True\n", "failed"],
    ["def f(x):\n    return x\n", "untested"],
    ["Lists keep their order. A set does not.\n", "prose"],
    ["    indented = 1\n", "prose"],
    ["def f(:\n    assert f\n", "prose"],
    ["null \0 byte", "prose"],
    ['s = \'\u2028 \u{1F600} """ \\\\\'\n', "untested"],
  ] as const)("%j is %s", async (text, verdict) => {
    expect(await execute(sandbox, text, PATIENT)).toBe(verdict);
  });

  test("a program that prints another verdict, or ends early, does not get it", async () => {
    const lies = 'print("prose")\nassert False\n';
    expect(await execute(sandbox, lies, PATIENT)).toBe("failed");
    const quits = "import sys\nsys.exit(0)\nassert False\n";
    expect(await execute(sandbox, quits, PATIENT)).toBe("failed");
  });

  test("an assertion under __main__ counts: documents run under a name of their own", async () => {
    const text = 'if __name__ == "__main__":\n    assert False\n';
    expect(await execute(sandbox, text, PATIENT)).toBe("verified");
  });

  test("a program that never ends has failed", async () => {
    const text = "while True:\n    pass\nassert True\n";
    expect(await execute(sandbox, text, { timeoutMs: 500 })).toBe("failed");
  });
});
