import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { colorsFor, displayWidth, hasColors, visibleLine, visibleText } from "./terminal.ts";

const stream = (isTTY: boolean) => ({ isTTY, write: () => true });

describe("model text in a terminal", () => {
  test.each([
    ["a colour", "\u001b[31mred\u001b[0m", "␛[31mred␛[0m"],
    ["a title set by OSC", "\u001b]0;owned\u0007", "␛]0;owned␇"],
    ["an 8-bit CSI", "\u009b31m", "�31m"],
    ["a carriage return that overwrites", "safe\rrm -rf", "safe␍rm -rf"],
    ["a right-to-left override", "a\u202egpj.exe", "a�gpj.exe"],
    ["newline and tab, which stay", "a\n\tb", "a\n\tb"],
  ])("%s", (_, text, shown) => {
    expect(visibleText(text)).toBe(shown);
  });

  test("holds no control character but newline and tab, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(visibleText(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      }),
    );
  });

  test("comes out the same in pieces as in one", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(visibleText(a) + visibleText(b)).toBe(visibleText(a + b));
      }),
    );
  });

  test("fits one line of a table", () => {
    expect(visibleLine("a\n\tb\u001b")).toBe("a⏎⇥b␛");
  });
});

describe("colours", () => {
  test("follow the terminal", () => {
    expect(hasColors(stream(true), {})).toBe(true);
    expect(hasColors(stream(false), {})).toBe(false);
    expect(hasColors(stream(true), { TERM: "dumb" })).toBe(false);
  });

  test("are off with NO_COLOR, on with FORCE_COLOR", () => {
    expect(hasColors(stream(true), { NO_COLOR: "1" })).toBe(false);
    expect(hasColors(stream(true), { NO_COLOR: "" })).toBe(true);
    expect(hasColors(stream(false), { FORCE_COLOR: "1" })).toBe(true);
    expect(colorsFor(stream(true), { NO_COLOR: "1" }).red("x")).toBe("x");
    expect(colorsFor(stream(true), {}).red("x")).toBe("\u001b[31mx\u001b[39m");
  });
});

test.each([
  ["abc", 3],
  ["\u001b[31mabc\u001b[39m", 3],
  ["漢字", 4],
  ["e\u0301", 1],
  ["👍", 2],
  ["한글 ok", 7],
])("%j takes %i columns", (text, width) => {
  expect(displayWidth(text)).toBe(width);
});
