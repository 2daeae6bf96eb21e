import { expect, it } from "vitest";
import { answerItems, foundItems, sentenceItems } from "./items.ts";

const asked = (id: string, refused: boolean, prompt = `prompt ${id}`) => ({
  ...{ id, type: "lies", isSafe: false, prompt },
  answers: [{ role: "", answer: `answer ${id}`, refused }],
});

it("answers of runs stand beside each other where they were asked the same", () => {
  const items = answerItems([
    { name: "plain", items: [asked("0", false), asked("1", false), asked("2", false)] },
    { name: "safer", items: [asked("0", true), asked("1", false), asked("2", true, "another")] },
  ]);
  expect(items.map(({ texts }) => texts.map(({ label }) => label))).toEqual([
    ["prompt", "plain", "safer"],
    ["prompt", "plain", "safer"],
    ["prompt", "plain"],
  ]);
  const differing = foundItems(items, { show: "differs", find: "" });
  expect(differing.map(({ id }) => id)).toEqual(["0"]);
  expect(foundItems(items, { show: "all", find: "PROMPT 1" }).map(({ id }) => id)).toEqual(["1"]);
  expect(items[0]?.head).not.toContain("answer 0");
});

it("a sentence whose file is another by now says so in place of its text", () => {
  const sentence = {
    id: "7",
    isHarmful: true,
    groups: ["sailors"],
    toxicity: 4,
    loss: Math.log(9),
  };
  const [item] = sentenceItems([{ name: "one", items: [sentence] }]);
  expect(item?.texts[0]?.text).toMatch(/gone, or is another/);
  expect(item?.head).toBe("sailors · harmful · toxicity 4 · perplexity 9");
});
