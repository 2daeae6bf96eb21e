/**
 * A training run in the terminal: three lines that redraw themselves, or a plain line every few seconds where nobody can
 * redraw (a log file, CI), and nothing when asked.
 */
import {
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatRate,
} from "../base/format.ts";
import { drawBar, RateMeter, type ProgressTarget } from "../base/progress.ts";
import { displayWidth, visibleLine, type TextStream } from "../base/terminal.ts";
import type { StepMetrics } from "./metrics.ts";

const REDRAW_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 5_000;
const CURVE_CELLS = 24;
const LEVELS = "▁▂▃▄▅▆▇█";

export interface TrainingViewOptions {
  /** What is trained: `train phi-nano`. */
  label: string;
  totalSteps: number;
  /** Steps that an earlier attempt did; no part of the rate. */
  stepsDone?: number;
}

/** Ends with `finish`, or with disposal (`using`), which leaves no half-drawn lines behind. */
export class TrainingView implements Disposable {
  readonly #label: string;
  readonly #totalSteps: number;
  readonly #stream: TextStream;
  readonly #style: "live" | "lines" | "silent";
  readonly #now: () => number;
  readonly #rate = new RateMeter();
  readonly #losses = new Curve();
  readonly #startedMs: number;
  #last: StepMetrics | undefined;
  #best: { step: number; loss: number } | undefined;
  #evaluated: { step: number; loss: number } | undefined;
  #shownMs: number;
  #drawnLines = 0;
  #ended = false;

  constructor(
    { label, totalSteps, stepsDone = 0 }: TrainingViewOptions,
    { stream, style, now = () => performance.now() }: ProgressTarget,
  ) {
    this.#label = visibleLine(label);
    this.#totalSteps = totalSteps;
    this.#stream = stream;
    this.#style = style === "silent" ? "silent" : stream.isTTY === true ? "live" : "lines";
    this.#now = now;
    this.#startedMs = now();
    this.#shownMs = this.#style === "live" ? -Infinity : this.#startedMs;
    this.#rate.record(stepsDone, this.#startedMs);
  }

  /** Shows a step, or an evaluation after it. What the metrics leave out keeps its last value. */
  update(metrics: StepMetrics): void {
    if (this.#ended) return;
    const nowMs = this.#now();
    const evaluation = metrics.evalLoss;
    if (metrics.loss !== undefined) this.#losses.add(metrics.loss);
    if (evaluation !== undefined) this.#evaluate(metrics.step, evaluation);
    this.#last = merge(this.#last, metrics);
    this.#rate.record(metrics.step, nowMs);
    const intervalMs = this.#style === "live" ? REDRAW_INTERVAL_MS : LINE_INTERVAL_MS;
    if (evaluation === undefined && nowMs - this.#shownMs < intervalMs) return;
    this.#shownMs = nowMs;
    this.#show(evaluation !== undefined);
  }

  /** Runs `print`, which writes lines to the same stream, without tearing the drawing. */
  interrupt(print: () => void): void {
    this.#clear();
    print();
    if (this.#style === "live" && !this.#ended) this.#draw();
  }

  /** Ends with one line: steps, time, speed, losses. */
  finish(message = "done"): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clear();
    if (this.#style === "silent") return;
    const { step = 0, loss } = this.#last ?? {};
    const facts = [
      message,
      `${formatCount(step)} of ${formatCount(this.#totalSteps)} steps`,
      formatDuration(this.#now() - this.#startedMs),
      ...(loss === undefined ? [] : [`loss ${formatNumber(loss)}`]),
      ...this.#evaluationFacts(),
    ];
    this.#stream.write(`${this.#label}: ${visibleLine(facts.join(" · "))}\n`);
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clear();
  }

  #evaluate(step: number, loss: number): void {
    this.#evaluated = { step, loss };
    if (this.#best === undefined || loss < this.#best.loss) this.#best = { step, loss };
  }

  #show(isEvaluation: boolean): void {
    if (this.#style === "silent") return;
    if (this.#style === "live") {
      this.#clear();
      this.#draw();
      return;
    }
    const { loss } = this.#last ?? {};
    const facts = [
      `${this.#stepFact()} (${formatPercent(this.#share, 0)})`,
      ...(loss === undefined ? [] : [`loss ${formatNumber(loss)}`]),
      ...(isEvaluation ? this.#evaluationFacts() : []),
      ...this.#speedFacts(),
      ...this.#timeLeft(),
    ];
    this.#stream.write(`${this.#label}: ${facts.join(" · ")}\n`);
  }

  #draw(): void {
    const { loss } = this.#last ?? {};
    const lossFacts = [
      ...(loss === undefined
        ? []
        : [`loss ${formatNumber(loss)} ${this.#losses.draw(CURVE_CELLS)}`]),
      ...this.#evaluationFacts(),
    ];
    const lines = [
      `${this.#label} ${drawBar(this.#share)} ${[this.#stepFact(), ...this.#timeLeft()].join(" · ")}`,
      lossFacts.join(" · "),
      this.#speedFacts().join(" · "),
    ].filter((line) => line !== "");
    // A terminal that does not know its width says 0.
    const width = (this.#stream.columns || 80) - 1;
    this.#stream.write(lines.map((line) => clip(line, width)).join("\n"));
    this.#drawnLines = lines.length;
  }

  #clear(): void {
    if (this.#drawnLines === 0) return;
    const up = this.#drawnLines === 1 ? "" : `\u001b[${this.#drawnLines - 1}A`;
    this.#stream.write(`\r${up}\u001b[J`);
    this.#drawnLines = 0;
  }

  get #share(): number {
    return this.#totalSteps === 0 ? 1 : (this.#last?.step ?? 0) / this.#totalSteps;
  }

  #stepFact(): string {
    return `step ${formatCount(this.#last?.step ?? 0)} of ${formatCount(this.#totalSteps)}`;
  }

  #evaluationFacts(): string[] {
    if (this.#evaluated === undefined || this.#best === undefined) return [];
    const { step, loss } = this.#evaluated;
    const isBest = step === this.#best.step;
    const best = `${formatNumber(this.#best.loss)} at step ${formatCount(this.#best.step)}`;
    return [`eval loss ${formatNumber(loss)} (${isBest ? "the best so far" : `best ${best}`})`];
  }

  #speedFacts(): string[] {
    const { learningRate, gradNorm, tokensPerSecond } = this.#last ?? {};
    return [
      ...(learningRate === undefined ? [] : [`lr ${formatLearningRate(learningRate)}`]),
      ...(gradNorm === undefined ? [] : [`grad norm ${formatNumber(gradNorm, 3)}`]),
      ...(tokensPerSecond === undefined ? [] : [formatRate(tokensPerSecond, "tok")]),
    ];
  }

  #timeLeft(): string[] {
    const { step = 0, remainingMs } = this.#last ?? {};
    const rate = this.#rate.perSecond;
    const estimate = rate ? ((this.#totalSteps - step) * 1000) / rate : undefined;
    const leftMs = remainingMs ?? estimate;
    return leftMs === undefined || leftMs < 0 ? [] : [`${formatDuration(leftMs)} left`];
  }
}

/** A curve of any length in few numbers: when they are full, neighbours become their mean. */
class Curve {
  #means: number[] = [];
  /** How many values a mean stands for. */
  #per = 1;
  #sum = 0;
  #count = 0;

  add(value: number): void {
    this.#sum += value;
    if (++this.#count < this.#per) return;
    this.#means.push(this.#sum / this.#count);
    this.#sum = 0;
    this.#count = 0;
    if (this.#means.length < 16 * CURVE_CELLS) return;
    const means = this.#means;
    this.#means = Array.from(
      { length: means.length / 2 },
      (_, i) => (means[2 * i]! + means[2 * i + 1]!) / 2,
    );
    this.#per *= 2;
  }

  /** The curve so far in at most `cells` letters; × where a value is no number. */
  draw(cells: number): string {
    const per = Math.max(1, this.#means.length / cells);
    const count = Math.min(cells, this.#means.length);
    const cellMeans = Array.from({ length: count }, (_, i) => {
      const part = this.#means.slice(Math.floor(i * per), Math.floor((i + 1) * per));
      return part.reduce((a, b) => a + b, 0) / part.length;
    });
    const finite = cellMeans.filter(Number.isFinite);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    return cellMeans
      .map((mean) => {
        if (!Number.isFinite(mean)) return "×";
        const level = high === low ? 0.5 : (mean - low) / (high - low);
        return LEVELS[Math.round(level * (LEVELS.length - 1))];
      })
      .join("");
  }
}

/** `2.8e-4`, as people write them. */
function formatLearningRate(rate: number): string {
  return Number(rate.toPrecision(3)).toExponential();
}

/** `later` over `earlier`, where it says something. */
function merge(earlier: StepMetrics | undefined, later: StepMetrics): StepMetrics {
  const said = Object.entries(later).filter(([, value]) => value !== undefined);
  return { ...(earlier ?? later), ...(Object.fromEntries(said) as Partial<StepMetrics>) };
}

/** Cut to the terminal's width: a line that wraps cannot be cleared. */
function clip(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  for (const character of text) {
    if (displayWidth(kept + character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
