/**
 * Progress on stderr: a bar that redraws itself on a terminal, a plain line every few seconds elsewhere (a log file, CI),
 * nothing when asked. Rate and time left come from the last seconds, so that a resumed or uneven job tells the truth.
 */
import { formatBytes, formatCount, formatDuration, formatPercent, formatRate } from "./format.ts";
import { displayWidth, visibleLine, type TextStream } from "./terminal.ts";

const RATE_WINDOW_MS = 15_000;
const BAR_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 5_000;
const BAR_CELLS = 24;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"] as const;

/** Speed over the last 15 seconds of a count that only grows. */
export class RateMeter {
  readonly #samples: { atMs: number; done: number }[] = [];

  record(done: number, atMs: number): void {
    const samples = this.#samples;
    samples.push({ atMs, done });
    // Keep one sample older than the window, so that the window is full.
    while (samples[1] !== undefined && atMs - samples[1].atMs >= RATE_WINDOW_MS) samples.shift();
  }

  /** Per second; undefined until two moments are known. */
  get perSecond(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return undefined;
    return ((last.done - first.done) * 1000) / (last.atMs - first.atMs);
  }
}

export interface ProgressOptions {
  /** What is going on: `quantise phi-2`. */
  label: string;
  /** How much there is to do; leave out where it is not known. */
  total?: number | undefined;
  /** What is counted: `tok`, `rows`, `B` for bytes. */
  unit?: string | undefined;
  /** How much was done before, by an earlier attempt; not part of the rate. */
  done?: number | undefined;
}

export interface ProgressTarget {
  stream: TextStream;
  /** `auto` draws a bar on a terminal and prints lines elsewhere. */
  style: "auto" | "silent";
  /** Milliseconds of a clock that never goes back; `performance.now` unless a test says otherwise. */
  now?: () => number;
}

/** One piece of long work. Ends with `finish`, or with disposal (`using`), which leaves no half-drawn bar behind. */
export class Progress implements Disposable {
  readonly #options: ProgressOptions;
  readonly #stream: TextStream;
  readonly #style: "bar" | "lines" | "silent";
  readonly #now: () => number;
  readonly #rate = new RateMeter();
  readonly #startedMs: number;
  #done: number;
  #total: number | undefined;
  #message = "";
  #shownMs: number;
  #drawn = false;
  #ended = false;

  constructor(options: ProgressOptions, { stream, style, now }: ProgressTarget) {
    this.#options = options;
    this.#stream = stream;
    this.#style = style === "silent" ? "silent" : stream.isTTY === true ? "bar" : "lines";
    this.#now = now ?? (() => performance.now());
    this.#done = options.done ?? 0;
    this.#total = options.total;
    this.#startedMs = this.#now();
    this.#shownMs = this.#style === "bar" ? -Infinity : this.#startedMs;
    this.#rate.record(this.#done, this.#startedMs);
  }

  /** Sets how much is done (not: how much more), and where given what there is to do and what is being done. */
  update(done: number, { total, message }: { total?: number; message?: string } = {}): void {
    if (this.#ended) return;
    this.#done = done;
    this.#total = total ?? this.#total;
    this.#message = message ?? this.#message;
    const nowMs = this.#now();
    this.#rate.record(done, nowMs);
    const intervalMs = this.#style === "bar" ? BAR_INTERVAL_MS : LINE_INTERVAL_MS;
    if (nowMs - this.#shownMs < intervalMs) return;
    this.#shownMs = nowMs;
    this.#show();
  }

  /** Adds to what is done. */
  advance(by = 1): void {
    this.update(this.#done + by);
  }

  /** Runs `print`, which writes lines to the same stream, without tearing the bar. */
  interrupt(print: () => void): void {
    this.#clear();
    print();
    if (this.#style === "bar" && !this.#ended) this.#show();
  }

  /** Ends with one line: what was done, how long it took, how fast it was on the whole. */
  finish(message?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clear();
    if (this.#style === "silent") return;
    const elapsedMs = this.#now() - this.#startedMs;
    const gained = this.#done - (this.#options.done ?? 0);
    const rate = elapsedMs > 0 ? (gained * 1000) / elapsedMs : undefined;
    const parts = [
      message ?? this.#amount(this.#done),
      formatDuration(elapsedMs),
      ...(rate === undefined || gained === 0 ? [] : [this.#speed(rate)]),
    ];
    this.#stream.write(`${this.#options.label}: ${visibleLine(parts.join(", "))}\n`);
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clear();
  }

  #show(): void {
    if (this.#style === "silent") return;
    const rate = this.#rate.perSecond;
    const total = this.#total;
    const left = total === undefined || !rate ? undefined : ((total - this.#done) * 1000) / rate;
    const facts = [
      total === undefined
        ? this.#amount(this.#done)
        : `${this.#amount(this.#done)} of ${this.#amount(total)}`,
      ...(rate === undefined ? [] : [this.#speed(rate)]),
      ...(left === undefined || left < 0 ? [] : [`${formatDuration(left)} left`]),
      ...(this.#message === "" ? [] : [visibleLine(this.#message)]),
    ].join(" · ");
    if (this.#style === "lines") {
      const share = total === undefined ? "" : ` ${formatPercent(this.#done / total, 0)}`;
      this.#stream.write(`${this.#options.label}:${share} ${facts}\n`);
      return;
    }
    const bar = total === undefined ? "" : ` ${drawBar(this.#done / total)}`;
    // A terminal that does not know its width says 0.
    const width = (this.#stream.columns || 80) - 1;
    this.#stream.write(`\r\u001b[2K${clip(`${this.#options.label}${bar} ${facts}`, width)}`);
    this.#drawn = true;
  }

  #clear(): void {
    if (!this.#drawn) return;
    this.#drawn = false;
    this.#stream.write("\r\u001b[2K");
  }

  #amount(count: number): string {
    const unit = this.#options.unit;
    if (unit === "B") return formatBytes(count);
    return unit === undefined ? formatCount(count) : `${formatCount(count)} ${unit}`;
  }

  #speed(perSecond: number): string {
    return formatRate(perSecond, this.#options.unit ?? "steps");
  }
}

/** `██████▌·················`: the done share in steps of an eighth of a cell. */
export function drawBar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share || 0)) * BAR_CELLS * 8);
  const full = Math.floor(eighths / 8);
  const part = EIGHTHS[eighths % 8] ?? "";
  return "█".repeat(full) + part + "·".repeat(BAR_CELLS - full - (part === "" ? 0 : 1));
}

/** Cut to the terminal's width: a bar that wraps cannot be cleared. */
function clip(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  for (const character of text) {
    if (displayWidth(kept + character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
