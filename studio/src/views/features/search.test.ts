import { expect, it } from "vitest";
import { findFeatures } from "./search.ts";

const features = [
  { feature: 0, density: 0.5, most: 1, fires: [" Mary"], promotes: [" went"] },
  { feature: 1, density: 0, most: 0, fires: [], promotes: [" park"] },
  { feature: 12, density: 0.01, most: 3, fires: [" 7"], promotes: [" ="] },
];
const numbers = (find: string, more = {}): number[] =>
  findFeatures(features, { 12: "digits" }, { find, sort: "density", often: 1, ...more }).map(
    ({ feature }) => feature,
  );

it("finds a feature by its label, its tokens, and its number", () => {
  expect(numbers("digits")).toEqual([12]);
  expect(numbers("mary")).toEqual([0]);
  expect(numbers("PARK")).toEqual([1]);
  expect(numbers("12")).toEqual([12]);
  expect(numbers("mary park")).toEqual([]);
});

it("leaves out what fires too often, and sorts by what is asked", () => {
  expect(numbers("", { often: 0.1 })).toEqual([12, 1]);
  expect(numbers("", { sort: "seldom" })).toEqual([12, 0, 1]);
  expect(numbers("", { sort: "most" })).toEqual([12, 0, 1]);
});
