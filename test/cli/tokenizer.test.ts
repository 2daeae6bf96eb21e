import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/tokenizer/index.ts";
import { philab as runPhilab, type Ran } from "../support/cli.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "philab-tokenizer-"))));
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const philab = (...argv: string[]): Promise<Ran> =>
  runPhilab(["tokenizer", ...argv], { cwd: folder });

const TEXT = "the theory of the thing, and the other thing\n".repeat(3);

function write(name: string, contents: string): void {
  writeFileSync(path.join(folder, name), contents);
}

describe("philab tokenizer train", () => {
  test("writes a tokenizer that reads its texts, and says what it learned", async () => {
    write("a.txt", TEXT);
    const { exit, out, err } = await philab(
      "train",
      "a.txt",
      "--vocab-size",
      "270",
      "--out",
      "made",
    );
    expect([exit, err.replace(/^read: .*\n/, "")]).toEqual([0, ""]);
    expect(out).toMatch(/^tokens +270, of them 13 merges$/m);
    expect(out).toMatch(/^learned from +135 B, /m);
    const tokenizer = await loadTokenizer(path.join(folder, "made"));
    expect(tokenizer.decode(tokenizer.encode(TEXT))).toBe(TEXT);
    expect(tokenizer.eosTokenId).toBe(0);
  });

  test("gives the same as JSON, from a column of any name", async () => {
    write("a.jsonl", `${JSON.stringify({ content: TEXT })}\n{"content":5}\n`);
    const args = [
      "train",
      "a.jsonl",
      "--text-column",
      "content",
      "--vocab-size",
      "270",
      "-o",
      "made",
    ];
    const wrong = await philab(...args);
    expect(wrong.exit).toBe(2);
    expect(wrong.err).toContain("a.jsonl:2: text is the number 5, not a text");
    const { exit, out, err } = await philab(...args, "--skip-bad-rows", "--json");
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      path: path.join(folder, "made"),
      vocabSize: 270,
      merges: 13,
      bytes: 135,
      words: 33,
      badRows: 1,
      specialTokens: ["<|endoftext|>"],
    });
    expect(err).toContain("1 row left out, the first");
  });

  test("says when the texts hold fewer tokens than asked for", async () => {
    write("a.txt", "ab ab");
    const { exit, err } = await philab("train", "a.txt", "--vocab-size", "1000", "--out", "made");
    expect(exit).toBe(0);
    expect(err).toContain("258 tokens instead of 1,000: no other pair occurs 2 times");
  });

  test("writes over a tokenizer only if asked, and leaves other files alone", async () => {
    write("a.txt", TEXT);
    write("tokenizer.json", "{}");
    const refused = await philab("train", "a.txt", "--vocab-size", "270", "--out", ".");
    expect(refused.exit).toBe(2);
    expect(refused.err).toContain("tokenizer.json exists already");
    expect(readFileSync(path.join(folder, "tokenizer.json"), "utf8")).toBe("{}");
    const replaced = await philab(
      "train",
      "a.txt",
      "--vocab-size",
      "270",
      "--out",
      ".",
      "--replace",
    );
    expect(replaced.exit).toBe(0);
    expect(readFileSync(path.join(folder, "a.txt"), "utf8")).toBe(TEXT);
  });

  test.each([
    [["none.txt", "--out", "made"], "no such file"],
    [["a.txt", "--out", "made", "--vocab-size", "256"], "a vocabulary of 256"],
    [["a.txt"], "--out is required"],
    [["a.txt", "--out", "a.txt/made"], "a.txt"],
  ])("refuses %j", async (args, message) => {
    write("a.txt", TEXT);
    const { exit, err } = await philab("train", ...args);
    expect(exit).toBe(2);
    expect(err).toContain(message);
  });
});

describe("philab tokenizer show", () => {
  test("shows the bundled model's, and how it cuts a text", async () => {
    const { exit, out } = await philab("show", "--text", "def f():\n    return 1");
    expect(exit).toBe(0);
    expect(out).toMatch(/^start token +<\|endoftext\|> \(0\), before every prompt$/m);
    expect(out).toMatch(/^ *\d+ {2}⏎···$/m);
    expect(out).toMatch(/tokens, \d\.\d\d bytes each$/m);
  });

  test("shows one in a directory, as JSON too", async () => {
    write("a.txt", TEXT);
    await philab(
      "train",
      "a.txt",
      "--vocab-size",
      "270",
      "--out",
      "made",
      "--special-tokens",
      "<|end|>,<|pad|>",
    );
    const { out } = await philab("show", "made", "--json", "--text", "the thing");
    expect(JSON.parse(out)).toMatchObject({
      vocabSize: 270,
      ordinary: 268,
      special: 2,
      merges: 12,
      bosToken: { id: 0, text: "<|end|>" },
      addBosToken: false,
    });
  });

  test("says where there is none", async () => {
    const { exit, err } = await philab("show", ".");
    expect(exit).toBe(2);
    expect(err).toContain(folder);
  });
});
