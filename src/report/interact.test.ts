import { describe, expect, test } from "vitest";
import { heatMap } from "./heat-map.ts";
import { attachPlots, type PlotElement } from "./interact.ts";
import { lineChart } from "./line-chart.ts";
import { tokenStrip } from "./token-strip.ts";

/** Just enough of an element for the script: attributes, text, listeners, and the parts found by selector. */
class FakeElement {
  textContent = "";
  hidden = true;
  readonly attributes = new Map<string, string>();
  readonly dataset: Record<string, string> = {};
  readonly marked = new Set<string>();
  readonly classList = {
    toggle: (name: string, on: boolean) =>
      void (on ? this.marked.add(name) : this.marked.delete(name)),
  };
  readonly parts = new Map<string, FakeElement[]>();
  readonly listeners = new Map<string, (event: object) => void>();
  querySelector = (selector: string) => this.parts.get(selector)?.[0] ?? null;
  querySelectorAll = (selector: string) => this.parts.get(selector) ?? [];
  closest = () => this;
  setAttribute = (name: string, value: string) => void this.attributes.set(name, value);
  getAttribute = (name: string) => this.attributes.get(name) ?? null;
  getBoundingClientRect = () => ({ left: 100, top: 50, width: 430, height: 145 });
  addEventListener = (type: string, listener: (event: object) => void) =>
    void this.listeners.set(type, listener);
}

/** The drawing's page after the script has run, with hands to move the pointer and press keys. */
function open(figure: string) {
  const root = new FakeElement();
  const plot = new FakeElement();
  const stage = new FakeElement();
  const svg = new FakeElement();
  const cursor = new FakeElement();
  const readout = new FakeElement();
  const save = new FakeElement();
  const data = new FakeElement();
  const tokens = [...figure.matchAll(/data-i="(\d+)"/g)].map(([, i]) => {
    const token = new FakeElement();
    token.dataset["i"] = i ?? "";
    return token;
  });
  plot.dataset["kind"] = /data-kind="(\w+)"/.exec(figure)?.[1] ?? "";
  svg.setAttribute("viewBox", /viewBox="([^"]+)"/.exec(figure)?.[1] ?? "");
  data.textContent = /<script type="application\/json">(.*?)<\/script>/s.exec(figure)?.[1] ?? "";
  root.parts.set("figure.plot", [plot]);
  for (const [selector, part] of [
    ['script[type="application/json"]', data],
    [".save", save],
    [".stage", stage],
    [".stage svg", svg],
    [".cursor", cursor],
    [".readout", readout],
  ] as const)
    plot.parts.set(selector, [part]);
  plot.parts.set(".token", tokens);
  attachPlots(root as unknown as PlotElement);
  const press = (key: string): string => {
    stage.listeners.get("keydown")?.({ key, preventDefault: () => undefined });
    return readout.textContent;
  };
  /** Moves the pointer to a share of the drawing's width and height. */
  const point = (x: number, y: number): string => {
    stage.listeners.get("pointermove")?.({
      clientX: 100 + x * 430,
      clientY: 50 + y * 145,
      target: svg,
    });
    return readout.textContent;
  };
  const leave = (): string => {
    stage.listeners.get("pointerleave")?.({});
    return readout.textContent;
  };
  return { press, point, leave, cursor, tokens, save };
}

describe("a heat map", () => {
  const page = () =>
    open(
      heatMap({
        title: "t",
        values: [0.1, 0.2, 0.3, -0.4],
        rows: ["0", "1"],
        columns: ["a", "b"],
        rowTitle: "layer",
        columnTitle: "head",
        valueTitle: "effect",
        palette: "diverging",
      }).text,
    );

  test("is read with the arrow keys, to its edges and no further", () => {
    const { press, cursor } = page();
    expect(press("ArrowDown")).toBe("layer 0 · head a · effect 0.1");
    expect(press("ArrowRight")).toBe("layer 0 · head b · effect 0.2");
    expect(press("ArrowRight")).toBe("layer 0 · head b · effect 0.2");
    expect(press("ArrowDown")).toBe("layer 1 · head b · effect −0.4");
    expect(cursor.attributes.get("x")).toBe("1");
    expect(press("Escape")).toBe("");
    expect(cursor.attributes.get("visibility")).toBe("hidden");
  });

  test("is read with the pointer, and falls silent beside its cells", () => {
    const { point, leave } = page();
    const [first, second] = [0.21, 0.5].map((x) => point(x, 0.6));
    expect(first).toMatch(/^layer \d · head a/);
    expect(second).not.toBe("");
    expect(point(0.01, 0.01)).toBe("");
    expect(point(0.21, 0.6)).toBe(first);
    expect(leave()).toBe("");
  });
});

test("a line chart reads out every line at the nearest step", () => {
  const { press, point, cursor } = open(
    lineChart({
      title: "t",
      x: { title: "step" },
      y: { title: "loss" },
      series: [
        { name: "train", x: [0, 10, 20], y: [3, NaN, 1] },
        { name: "valid", x: [0, 20], y: [4, 2] },
      ],
    }).text,
  );
  expect(press("ArrowRight")).toBe("step 0 · train 3 · valid 4");
  expect(press("ArrowRight")).toBe("step 10 · train NaN");
  expect(point(0.99, 0.5)).toBe("step 20 · train 1 · valid 2");
  expect(cursor.attributes.get("visibility")).toBe("visible");
});

test("a token strip reads out the token, its value and its note", () => {
  const { press, tokens } = open(
    tokenStrip({
      title: "t",
      valueTitle: "bits",
      tokens: [{ text: "if" }, { text: " x", value: 3.14159, note: "likeliest: ·y" }],
    }).text,
  );
  expect(press("ArrowRight")).toBe("token 0 if · bits none");
  expect(press("ArrowRight")).toBe("token 1 ·x · bits 3.142 · likeliest: ·y");
  expect(tokens.map(({ marked }) => marked.has("at"))).toEqual([false, true]);
});

test("saving is offered once there is a script to do it", () => {
  const { save } = open(tokenStrip({ title: "t", valueTitle: "v", tokens: [] }).text);
  expect(save.hidden).toBe(false);
});
