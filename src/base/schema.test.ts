import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkObject, checkValue, expectation, fromText } from "./schema.ts";

const verbatim = z.array(z.string()).meta({ verbatim: true });

describe("text becomes what the schema checks", () => {
  test.each([
    ["a number", z.number(), "1e-3", 0.001],
    ["a default around a number", z.int().default(3), "7", 7],
    ["text that looks like a number", z.string(), "7", "7"],
    ["a boolean", z.boolean(), "true", true],
    ["a boolean as a digit", z.boolean().optional(), "0", false],
    ["a list of ids", z.array(z.int()), "1, 2,3", [1, 2, 3]],
    ["a range in a list of numbers", z.array(z.int()), "0,4-6,-1", [0, 4, 5, 6, -1]],
    ["a list of texts that may hold commas", verbatim, "a, b\n", ["a, b\n"]],
    ["pairs", z.record(z.string(), z.number()), "5:-100, 7:2", { "5": -100, "7": 2 }],
    ["what is no list of pairs", z.record(z.string(), z.number()), "5", "5"],
    ["a list of names, which knows no ranges", z.array(z.string()), "a,1-2", ["a", "1-2"]],
    ["what is no number, left for the schema to refuse", z.number(), "many", "many"],
    ["an empty text where a number belongs", z.number(), "", ""],
  ])("%s", (_, schema, text, value) => {
    expect(fromText(schema, text)).toEqual(value);
  });
});

describe("what a schema expects, in words", () => {
  test.each([
    [z.int(), "a whole number"],
    [z.int().min(1).max(64), "a whole number from 1 to 64"],
    [z.int().min(1).optional(), "a whole number of at least 1"],
    [z.number().gt(0).max(1), "a number above 0 and of at most 1"],
    [z.enum(["auto", "cpu"]).default("auto"), "auto or cpu"],
    [z.array(z.int().min(0)), "a list, each a whole number of at least 0"],
    [z.union([z.int(), z.literal("all")]), "a whole number or text"],
  ])("%#", (schema, words) => {
    expect(expectation(schema)).toBe(words);
  });
});

describe("a refused value", () => {
  test("is named with what was found and what is expected", () => {
    expect(() => checkValue(z.int().min(1), "abc", "--max-tokens")).toThrow(
      '--max-tokens "abc": expected a whole number of at least 1',
    );
  });

  test("gets the nearest choice as a hint", () => {
    expect(() => checkValue(z.enum(["reference", "fast"]), "referense", "--mode")).toThrow(
      expect.objectContaining({ code: "bad_input", hint: "Did you mean reference?" }),
    );
  });

  test("keeps the message of a rule of its own", () => {
    const even = z.int().refine((n) => n % 2 === 0, "must be even");
    expect(() => checkValue(even, 3, "--heads")).toThrow("--heads 3: must be even");
  });

  test("of great length is quoted in short", () => {
    expect(() => checkValue(z.int(), "x".repeat(500), "--seed")).toThrow(/^.{0,120}$/);
  });
});

describe("a refused object", () => {
  const schema = z.strictObject({ threads: z.int(), model: z.string() }).partial();

  test("names an unknown key and the one that was probably meant", () => {
    expect(() => checkObject(schema, { thread: 2 }, { what: "config" })).toThrow(
      expect.objectContaining({
        message: "config: unknown key thread",
        hint: "Did you mean threads?",
      }),
    );
  });

  test("names the bound that a number exceeds, and doubts the file that it is from", () => {
    const bounded = z.object({ width: z.int().max(64), share: z.number().gt(0) });
    const options = { what: "config.json", code: "corrupt_file" } as const;
    expect(() => checkObject(bounded, { width: 65, share: 0 }, options)).toThrow(
      expect.objectContaining({
        message: "config.json: width: expected at most 64; share: expected more than 0",
        hint: expect.stringContaining("damaged") as string,
      }),
    );
  });

  test("names every field that is wrong", () => {
    expect(() => checkObject(schema, { threads: "2", model: 1 }, { what: "config" })).toThrow(
      "config: threads: expected number, received string; model: expected string, received number",
    );
  });
});
