import { expect, it } from "vitest";
import type { GraphAnswer, ListedDictionary } from "../../api/features.ts";
import { chooseTranscoders, edgesOf, parsePinned, withPin } from "./graph.ts";

it("keeps pins and their groups in the address's own form", () => {
  const pinned = withPin(withPin([], "0_3_1", 1), "1_2_0", 2);
  expect([...parsePinned([...pinned, "nonsense"])]).toEqual([
    ["0_3_1", 1],
    ["1_2_0", 2],
  ]);
  expect(withPin(withPin(pinned, "0_3_1", 5), "1_2_0", undefined)).toEqual(["0_3_1=5"]);
});

it("lists a node's strongest edges, whichever sign they have", () => {
  const links = [
    { source: "a", target: "b", weight: 1 },
    { source: "c", target: "b", weight: -2 },
    { source: "b", target: "d", weight: 0.5 },
  ];
  expect(edgesOf({ links } as GraphAnswer, "b", 1)).toEqual({
    sources: [{ id: "c", weight: -2 }],
    targets: [{ id: "d", weight: 0.5 }],
  });
});

it("takes one transcoder for each layer of the model, those that come with it first", () => {
  const one = (name: string, layer: number, source: string, model = "m"): ListedDictionary =>
    ({
      ...{ name, source, model, kind: "transcoder", output: `blocks.${layer}.hook_mlp_out` },
    }) as ListedDictionary;
  const all = [
    one("run-1", 1, "run"),
    one("run-0", 0, "run"),
    one("m.t0", 0, "bundled"),
    one("other", 2, "run", "another"),
  ];
  const names = (named: string[]): string[] =>
    chooseTranscoders(all, { named, model: "m" }).map(({ name }) => name);
  expect(names([])).toEqual(["m.t0", "run-1"]);
  expect(names(["run-0"])).toEqual(["run-0"]);
});
