/** The last lines of the server's log, for those who cannot see its terminal. */
import { visibleLine } from "../base/terminal.ts";

export interface LogLine {
  /** ISO 8601. */
  at: string;
  message: string;
  /** Such as the model, the run, the cause. */
  facts: Record<string, string | number>;
}

export type Log = (message: string, more?: Record<string, string | number>) => void;

const KEPT = 200;
const MAX_LENGTH = 300;

export class RecentLog {
  readonly #lines: LogLine[] = [];

  /** Oldest first. */
  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** A log that is kept here and goes on to `next`. */
  before(next: Log): Log {
    return (message, more = {}) => {
      this.#keep(message, more);
      next(message, more);
    };
  }

  #keep(message: string, more: Record<string, string | number>): void {
    const facts = Object.entries(more).map(([key, value]) => [
      key,
      typeof value === "string" ? withoutQuotes(value) : value,
    ]);
    const at = new Date().toISOString();
    this.#lines.push({ at, message, facts: Object.fromEntries(facts) as LogLine["facts"] });
    if (this.#lines.length > KEPT) this.#lines.shift();
  }
}

/** What an error quotes may be a part of a prompt: it stays in the terminal of whoever runs the server. */
function withoutQuotes(text: string): string {
  return visibleLine(text.slice(0, MAX_LENGTH)).replace(/(["“`])[^]*["”`]/, "“…”");
}
