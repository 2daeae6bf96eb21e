import { describe, expect, test } from "vitest";
import type { StepMetrics } from "./metrics.ts";
import { TrainingView } from "./progress.ts";

/** What a terminal shows after everything that was written to it. */
class Screen {
  readonly isTTY: boolean;
  readonly columns: number;
  lines = [""];
  #row = 0;

  constructor({ isTTY = true, columns = 80 } = {}) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): void {
    for (const [piece, , up] of text.matchAll(/\r|\n|\u001b\[((\d+)A|J)|[^\r\n\u001b]+/g)) {
      if (piece === "\n") this.lines[++this.#row] ??= "";
      else if (piece === "\u001b[J") this.lines = [...this.lines.slice(0, this.#row), ""];
      else if (up !== undefined) this.#row -= Number(up);
      else if (piece !== "\r") this.lines[this.#row] += piece;
    }
  }

  get text(): string {
    return this.lines.join("\n").trimEnd();
  }
}

function setup(screen: Screen, { silent = false, stepsDone = 0 } = {}) {
  let nowMs = 0;
  const view = new TrainingView(
    { label: "train phi-nano", totalSteps: 400, stepsDone },
    { stream: screen, style: silent ? "silent" : "auto", now: () => nowMs },
  );
  const step = (number: number, more: Partial<StepMetrics> = {}): void => {
    nowMs += 1000;
    view.update({
      step: number,
      totalSteps: 400,
      epoch: 0,
      elapsedMs: nowMs,
      loss: 4 / number,
      learningRate: 2.8e-4,
      gradNorm: 0.913,
      tokensPerSecond: 1391,
      ...more,
    });
  };
  return { view, step };
}

describe("on a terminal", () => {
  test("step, loss with its curve, learning rate, gradient norm, speed and time left redraw in place", () => {
    const screen = new Screen();
    const { step } = setup(screen);
    for (let i = 1; i <= 100; i++) step(i);
    expect(screen.lines).toEqual([
      "train phi-nano ██████·················· step 100 of 400 · 5 min 00 s left",
      "loss 0.04 █▃▂▂▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
      "lr 2.8e-4 · grad norm 0.913 · 1.39 k tok/s",
    ]);
  });

  test("an evaluation shows at once and stays, with the best one", () => {
    const screen = new Screen();
    const { step } = setup(screen);
    step(1);
    step(1, { loss: undefined, evalLoss: 2.5 });
    expect(screen.lines[1]).toBe("loss 4 ▅ · eval loss 2.5 (the best so far)");
    step(2, { evalLoss: 2.75 });
    step(3);
    expect(screen.lines[1]).toMatch(/^loss 1.333 \S+ · eval loss 2.75 \(best 2.5 at step 1\)$/);
  });

  test("a loss that is no number is seen", () => {
    const screen = new Screen();
    const { step } = setup(screen);
    step(1);
    step(2, { loss: NaN });
    expect(screen.lines[1]).toBe("loss NaN ▅×");
  });

  test("no line is wider than the terminal, so that all can be cleared", () => {
    const screen = new Screen({ columns: 30 });
    const { step, view } = setup(screen);
    for (let i = 1; i <= 50; i++) step(i);
    expect(Math.max(...screen.lines.map((line) => [...line].length))).toBeLessThan(30);
    view.interrupt(() => {
      screen.write("a note\n");
    });
    expect(screen.lines).toHaveLength(4);
    expect(screen.lines[0]).toBe("a note");
    view.finish();
    expect(screen.text).toBe("a note\ntrain phi-nano: done · 50 of 400 steps · 50.0 s · loss 0.08");
  });

  test("a terminal that does not know its width gets 80 columns", () => {
    const screen = new Screen({ columns: 0 });
    setup(screen).step(3);
    expect(screen.lines[0]).toMatch(/^train phi-nano .*step 3 of 400/);
  });

  test("nothing half-drawn is left when it ends without being finished", () => {
    const screen = new Screen();
    const { step, view } = setup(screen);
    step(1);
    view[Symbol.dispose]();
    step(2);
    expect(screen.text).toBe("");
  });

  test("steps of an earlier attempt are no part of the speed", () => {
    const screen = new Screen();
    const { step } = setup(screen, { stepsDone: 200 });
    step(201);
    step(202);
    expect(screen.lines[0]).toContain("3 min 18 s left");
  });
});

describe("elsewhere", () => {
  test("a line every five seconds and one for every evaluation", () => {
    const screen = new Screen({ isTTY: false });
    const { step, view } = setup(screen);
    for (let i = 1; i <= 11; i++) step(i);
    step(11, { loss: undefined, evalLoss: 2.5 });
    view.finish("stopped");
    expect(screen.lines.slice(0, -1)).toEqual([
      "train phi-nano: step 5 of 400 (1 %) · loss 0.8 · lr 2.8e-4 · grad norm 0.913 · 1.39 k tok/s · 6 min 35 s left",
      "train phi-nano: step 10 of 400 (3 %) · loss 0.4 · lr 2.8e-4 · grad norm 0.913 · 1.39 k tok/s · 6 min 30 s left",
      expect.stringMatching(
        /step 11 of 400 \(3 %\) · loss 0.3636 · eval loss 2.5 \(the best so far\) · lr/,
      ),
      "train phi-nano: stopped · 11 of 400 steps · 12.0 s · loss 0.3636 · eval loss 2.5 (the best so far)",
    ]);
  });

  test("silence, where that is asked for", () => {
    const screen = new Screen();
    const { step, view } = setup(screen, { silent: true });
    step(1);
    view.finish();
    expect(screen.text).toBe("");
  });
});
