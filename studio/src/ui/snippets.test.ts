import { execFileSync } from "node:child_process";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, it } from "vitest";
import { commandLine, literal, shellQuote } from "./snippets.ts";

it.skipIf(process.platform === "win32")("a shell reads a quoted text as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      fc.pre(!text.includes("\0"));
      const found = execFileSync("sh", ["-c", `printf %s ${shellQuote(text)}`], {
        encoding: "utf8",
      });
      expect(found).toBe(text);
    }),
    { numRuns: 30 },
  );
});

it("a command line leaves out what is not set, and keeps a text from being read as an option", () => {
  expect(
    commandLine(["run"], { seed: 3, greedy: true, model: undefined, quiet: false }, ["-x y"]),
  ).toBe("philab run --seed 3 --greedy -- '-x y'");
});

it("a literal is JavaScript that makes the value again", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(!JSON.stringify(value).includes("__proto__"));
      expect(runInNewContext(`JSON.stringify(${literal(value)})`)).toBe(JSON.stringify(value));
    }),
  );
});
