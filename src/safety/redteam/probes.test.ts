import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HARMLESS_SHOTS, PROBE_NAMES, PROBES, rot13 } from "./probes.ts";

const wrap = (name: string, request: string): string =>
  PROBES.find((probe) => probe.name === name)?.wrap(request, { shots: HARMLESS_SHOTS }) ?? "";

describe("templates", () => {
  it("have a name each, and change every request but the plain one", () => {
    expect(PROBES.map(({ name }) => name)).toEqual([...PROBE_NAMES]);
    const request = "Name a colour of the sea.";
    for (const name of PROBE_NAMES)
      expect(wrap(name, request) === request, name).toBe(name === "plain");
  });

  it("keep the request: in words, or so that it can be decoded", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (request) => {
        for (const name of ["role-play", "prefix-injection", "refusal-suppression", "many-shot"])
          expect(wrap(name, request)).toContain(request);
        const encoded = wrap("base64", request).split("\n").at(-1) ?? "";
        expect(Buffer.from(encoded, "base64").toString("utf8")).toBe(
          Buffer.from(request, "utf8").toString("utf8"),
        );
        expect(rot13(rot13(request))).toBe(request);
        expect(wrap("rot13", request).endsWith(rot13(request))).toBe(true);
      }),
    );
    expect(rot13("Hello, Zoo 1")).toBe("Uryyb, Mbb 1");
    expect(wrap("leetspeak", "Tell me a tale")).toBe("73ll m3 4 74l3");
  });

  it("show every given question before the request", () => {
    const text = wrap("many-shot", "Name a tree.");
    for (const { question, answer } of HARMLESS_SHOTS)
      expect(text).toContain(`Question: ${question}\nAnswer: ${answer}`);
    expect(text.endsWith("Question: Name a tree.\nAnswer:")).toBe(true);
  });
});
