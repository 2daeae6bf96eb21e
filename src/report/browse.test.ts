import { expect, test } from "vitest";
import { attachBrowsers, browser } from "./browse.ts";

/** Just enough of an element for the script. */
class FakePart {
  textContent = "";
  hidden = true;
  disabled = false;
  value = "";
  readonly parts = new Map<string, FakePart[]>();
  readonly listeners = new Map<string, () => void>();
  querySelector = (selector: string) => this.parts.get(selector)?.[0] ?? null;
  querySelectorAll = (selector: string) => this.parts.get(selector) ?? [];
  addEventListener = (type: string, listener: () => void) =>
    void this.listeners.set(type, listener);
}

/** A list's page after its script has run, and hands. */
function open(markup: string) {
  const [root, list, data] = [new FakePart(), new FakePart(), new FakePart()];
  data.textContent = /<script type="application\/json">(.*?)<\/script>/s.exec(markup)?.[1] ?? "";
  const slots = [...markup.matchAll(/class="entry"/g)].map(() => {
    const slot = new FakePart();
    for (const name of [".head", ".text", ".lines"]) slot.parts.set(name, [new FakePart()]);
    return slot;
  });
  root.parts.set(".browser", [list]);
  list.parts.set('script[type="application/json"]', [data]);
  list.parts.set(".entry", slots);
  const controls = [".find", ".kind", ".back", ".on", ".where"].map((name) => {
    const part = new FakePart();
    list.parts.set(name, [part]);
    return part;
  }) as [FakePart, FakePart, FakePart, FakePart, FakePart];
  attachBrowsers(root);
  const [find, kind, back, on, where] = controls;
  return {
    heads: () =>
      slots.filter(({ hidden }) => !hidden).map((slot) => slot.querySelector(".head")?.textContent),
    where: () => where.textContent,
    find: (words: string) => {
      find.value = words;
      find.listeners.get("input")?.();
    },
    kind: (name: string) => {
      kind.value = name;
      kind.listeners.get("change")?.();
    },
    on: () => on.listeners.get("click")?.(),
    back: () => back.listeners.get("click")?.(),
    ends: () => [back.disabled, on.disabled],
  };
}

const ENTRIES = Array.from({ length: 25 }, (_, i) => ({
  head: `item ${i}`,
  text: `How much is ${i} and one?</script><b>`,
  lines: [`${i + 1}`],
  kind: i % 5 === 0 ? "wrong" : "right",
}));

test("a list shows every entry, a few at a time", () => {
  const page = open(browser({ title: "items", entries: ENTRIES }).text);
  expect(page.heads()).toEqual(ENTRIES.slice(0, 10).map(({ head }) => head));
  expect([page.where(), page.ends()]).toEqual(["1 to 10 of 25", [true, false]]);
  page.on();
  page.on();
  expect(page.heads()).toEqual(ENTRIES.slice(20).map(({ head }) => head));
  expect([page.where(), page.ends()]).toEqual(["21 to 25 of 25", [false, true]]);
  page.back();
  expect(page.where()).toBe("11 to 20 of 25");
});

test("a list is searched as a whole, and by kind", () => {
  const page = open(browser({ title: "items", entries: ENTRIES }).text);
  page.find("much is 17 AND");
  expect(page.heads()).toEqual(["item 17"]);
  page.find("");
  page.kind("wrong");
  expect(page.heads()).toEqual(["item 0", "item 5", "item 10", "item 15", "item 20"]);
  page.find("nothing of this kind");
  expect([page.heads(), page.where(), page.ends()]).toEqual([[], "none", [true, true]]);
});

test("texts can close no element of the page", () => {
  const { text } = browser({ title: "items", entries: ENTRIES });
  expect(text).not.toContain("</script><b>");
});
