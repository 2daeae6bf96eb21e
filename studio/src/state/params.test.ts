import { expect, it } from "vitest";
import { decodeParams, encodeParams } from "./params.ts";

const DEFAULTS = { prompt: "", temperature: 0.8, echo: false, stop: [] as string[], layers: [0] };

it("a view's parameters come back from its address", () => {
  const state = {
    prompt: "a&b=c\n#?%",
    temperature: 0,
    echo: true,
    stop: ["\n", "é"],
    layers: [3, 4],
  };
  expect(decodeParams(encodeParams(state), DEFAULTS)).toEqual({ values: state, problems: [] });
});

it("a parameter that makes no sense keeps its usual value, and is named", () => {
  const { values, problems } = decodeParams(
    "temperature=warm&echo=1&stop=[1]&layers=x&colour=red",
    DEFAULTS,
  );
  expect(values).toEqual(DEFAULTS);
  expect(problems.map((problem) => /“(\w+)”/.exec(problem)?.[1])).toEqual([
    ...["temperature", "echo", "stop", "layers", "colour"],
  ]);
});
