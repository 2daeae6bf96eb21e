/**
 * What a command says. Results go to stdout; progress and text for people go to stderr. With `--json`, stdout holds
 * one JSON object on one line and nothing else, so that `philab … --json | jq` always works.
 */
import { invariant } from "../base/errors.ts";
import { toJson, type JsonObject } from "../base/json.ts";
import { Progress, type ProgressOptions, type ProgressTarget } from "../base/progress.ts";
import { colorsFor, visibleText, type Colors, type TextStream } from "../base/terminal.ts";

export interface OutputOptions {
  stdout: TextStream;
  stderr: TextStream;
  env: NodeJS.ProcessEnv;
  json: boolean;
  /** No progress. */
  quiet: boolean;
}

/** Long work on stderr that other lines must not tear. */
interface Shown extends Disposable {
  interrupt(print: () => void): void;
}

export class Output {
  readonly json: boolean;
  /** Colours for text on stdout; they do nothing where stdout is no terminal. */
  readonly colors: Colors;
  readonly #stdout: TextStream;
  readonly #stderr: TextStream;
  readonly #stderrColors: Colors;
  readonly #quiet: boolean;
  #shown: Shown | undefined;
  #hasResult = false;
  #atLineStart = true;

  constructor({ stdout, stderr, env, json, quiet }: OutputOptions) {
    this.json = json;
    this.colors = colorsFor(stdout, env);
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#stderrColors = colorsFor(stderr, env);
    this.#quiet = quiet;
  }

  /** Whether stdout is a terminal. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** Columns to lay text out for: the terminal's width, or 80. */
  get columns(): number {
    return this.#stdout.columns ?? 80;
  }

  /**
   * The result, once: `value` with `--json`, else `text` (which may hold colours, so model text in it must have gone
   * through `visibleText`). Without `text`, everything was streamed already.
   */
  result(value: JsonObject, text?: string | (() => string)): void {
    invariant(!this.#hasResult, "a command gave two results");
    this.#hasResult = true;
    this.#clearFor(() => {
      if (this.json) this.#stdout.write(`${toJson(value)}\n`);
      else if (text !== undefined) this.#line(typeof text === "string" ? text : text());
    });
  }

  /** Whether `result` was called. */
  get hasResult(): boolean {
    return this.#hasResult;
  }

  /** A piece of model text as it is made, made harmless for the terminal. Nothing with `--json`. */
  stream(piece: string): void {
    this.#print(visibleText(piece));
  }

  /** Ends the line of the streamed text, where it has not ended. */
  endLine(): void {
    if (!this.#atLineStart) this.#print("\n");
  }

  /** A line of the result as it is made, which may hold colours. Nothing with `--json`. */
  line(text = ""): void {
    if (!this.json) this.#clearFor(() => this.#line(text));
  }

  /** A line for the person, on stderr. */
  note(text: string): void {
    this.#clearFor(() => this.#stderr.write(`${visibleText(text)}\n`));
  }

  /** A line on stderr that begins with `warning:`. */
  warn(text: string): void {
    this.#clearFor(() =>
      this.#stderr.write(`${this.#stderrColors.yellow("warning:")} ${visibleText(text)}\n`),
    );
  }

  /** Shows long work on stderr; one at a time. Use it with `using`, and call `finish` where a summary is wanted. */
  progress(options: ProgressOptions): Progress {
    return this.show((target) => new Progress(options, target));
  }

  /** As `progress`, drawn by a view of its own. */
  show<V extends Shown>(make: (target: ProgressTarget) => V): V {
    this.#shown?.[Symbol.dispose]();
    const view = make({ stream: this.#stderr, style: this.#quiet ? "silent" : "auto" });
    this.#shown = view;
    return view;
  }

  #print(text: string): void {
    if (this.json || text === "") return;
    this.#clearFor(() => this.#stdout.write(text));
    this.#atLineStart = text.endsWith("\n");
  }

  /** A whole line, on a line of its own even after streamed text that did not end one. */
  #line(text: string): void {
    this.#stdout.write(`${this.#atLineStart ? "" : "\n"}${text}\n`);
    this.#atLineStart = true;
  }

  #clearFor(print: () => void): void {
    if (this.#shown) this.#shown.interrupt(print);
    else print();
  }
}
