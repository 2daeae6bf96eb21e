import { expect, it } from "vitest";
import { describeEdit, editsFor, parseEdits, sideOf, vectorEdit } from "./edits.ts";

const line = { at: "blocks.2.attn.hook_z", op: "scale", factor: 0, heads: [1] } as const;

it("keeps what an address says, and tells what is no edit", () => {
  const { edits, problems } = parseEdits([JSON.stringify(line), "{", '{"at": 3}', "[]"]);
  expect(edits).toEqual([line]);
  expect(problems).toHaveLength(3);
  expect(describeEdit({ ...line, heads: [1] })).toBe("layer 2: what comes out of head 1");
});

it("sends what is on and changes something, with the vector or a random one in its place", () => {
  const rack = [
    { ...line, heads: [1] },
    { ...line, heads: [2], off: true },
    { ...line, heads: [3], factor: 1 },
  ];
  const vector = {
    ...{ layer: 1, at: "blocks.1.hook_resid_post", norm: 5, streamNorm: 9 },
    ...{ values: [3, 4], control: [5, 0] },
  };
  const edits = editsFor(rack, vectorEdit(vector, { strength: 2, isControl: false }));
  expect(edits).toEqual([line, { at: vector.at, op: "add", value: [3, 4], scale: 2 }]);
  const control = editsFor([], vectorEdit(vector, { strength: 2, isControl: true }));
  expect(control).toEqual([{ at: vector.at, op: "add", value: [5, 0], scale: 2 }]);
  expect(editsFor([], vectorEdit(vector, { strength: 0, isControl: false }))).toEqual([]);
});

it("reads a prompt from each line", () => {
  expect(sideOf("one\n\n two\\nthree \n")).toEqual(["one", " two\nthree "]);
});
