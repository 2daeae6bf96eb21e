import { describe, expect, test } from "vitest";
import { drawBar, Progress, RateMeter } from "./progress.ts";

function fakeTerminal(isTTY: boolean, columns = 80) {
  let text = "";
  return { isTTY, columns, write: (piece: string) => (text += piece), text: () => text };
}

function fakeClock() {
  let nowMs = 0;
  return { now: () => nowMs, advance: (ms: number) => (nowMs += ms) };
}

describe("rate", () => {
  test("is that of the last seconds, not of the whole", () => {
    const rate = new RateMeter();
    rate.record(0, 0);
    for (let second = 1; second <= 30; second++) rate.record(second, second * 1000);
    for (let second = 31; second <= 60; second++)
      rate.record(30 + (second - 30) * 10, second * 1000);
    expect(rate.perSecond).toBeCloseTo(10);
  });

  test("is unknown before a second moment", () => {
    const rate = new RateMeter();
    expect(rate.perSecond).toBeUndefined();
    rate.record(5, 10);
    expect(rate.perSecond).toBeUndefined();
  });
});

describe("progress", () => {
  test("on a terminal is one line, redrawn and in the end replaced by a summary", () => {
    const stream = fakeTerminal(true, 120);
    const clock = fakeClock();
    const progress = new Progress(
      { label: "score", total: 100, unit: "rows" },
      { stream, style: "auto", now: clock.now },
    );
    progress.update(0);
    clock.advance(2000);
    progress.update(50, { message: "half\nway" });
    expect(stream.text()).toContain("50 rows of 100 rows · 25.0 rows/s · 2.0 s left · half⏎way");
    clock.advance(2000);
    progress.update(100);
    progress.finish();
    expect(stream.text()).toMatch(/\r\u001b\[2Kscore: 100 rows, 4\.0 s, 25\.0 rows\/s\n$/);
  });

  test("never draws wider than the terminal", () => {
    const stream = fakeTerminal(true, 40);
    const clock = fakeClock();
    const progress = new Progress({ label: "x".repeat(60), total: 9 }, { stream, style: "auto" });
    clock.advance(1000);
    progress.update(1);
    for (const line of stream.text().split("\r\u001b[2K"))
      expect(line.length).toBeLessThanOrEqual(39);
  });

  test("elsewhere is a plain line every five seconds", () => {
    const stream = fakeTerminal(false);
    const clock = fakeClock();
    const progress = new Progress(
      { label: "pull", total: 2048, unit: "B" },
      { stream, style: "auto", now: clock.now },
    );
    for (let i = 1; i <= 12; i++) {
      clock.advance(1000);
      progress.update(i * 100);
    }
    expect(stream.text().split("\n")).toEqual([
      "pull: 24% 500 B of 2.00 KiB · 100 B/s · 15.5 s left".replace("24%", "24 %"),
      "pull: 49 % 1000 B of 2.00 KiB · 100 B/s · 10.5 s left",
      "",
    ]);
  });

  test("says nothing when silent", () => {
    const stream = fakeTerminal(true);
    const progress = new Progress({ label: "x", total: 2 }, { stream, style: "silent" });
    progress.update(1);
    progress.finish();
    expect(stream.text()).toBe("");
  });

  test("leaves no half-drawn bar when its work throws", () => {
    const stream = fakeTerminal(true);
    {
      using progress = new Progress({ label: "x", total: 2 }, { stream, style: "auto" });
      progress.update(1);
    }
    expect(stream.text().endsWith("\r\u001b[2K")).toBe(true);
  });

  test("of a resumed job does not count what an earlier attempt did as speed", () => {
    const stream = fakeTerminal(false);
    const clock = fakeClock();
    const progress = new Progress(
      { label: "train", total: 1000, done: 900 },
      { stream, style: "auto", now: clock.now },
    );
    clock.advance(10_000);
    progress.update(910);
    expect(stream.text()).toContain("1.00 steps/s · 1 min 30 s left");
  });
});

test("a bar moves in eighths and keeps its width", () => {
  expect(drawBar(0)).toBe("·".repeat(24));
  expect(drawBar(1)).toBe("█".repeat(24));
  expect(drawBar(0.5)).toBe("█".repeat(12) + "·".repeat(12));
  for (let i = 0; i <= 192; i++) expect(drawBar(i / 192)).toHaveLength(24);
  expect(drawBar(NaN)).toBe("·".repeat(24));
});
