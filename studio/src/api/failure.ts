/** What went wrong, in the form in which the server says it. */
import type { ErrorRecord } from "../../../src/base/errors.ts";

/** An error that a view can show: what happened, and what to do. */
export class Failure extends Error {
  /** philab's code, or `unreachable` where no server answers, `locked` where it wants its key. */
  readonly code: ErrorRecord["code"] | "unreachable" | "locked";
  readonly hint: string | undefined;

  constructor({
    code,
    message,
    hint,
  }: {
    code: Failure["code"];
    message: string;
    hint?: string | undefined;
  }) {
    super(message);
    this.name = "Failure";
    this.code = code;
    this.hint = hint;
  }

  /** Whether the person stopped it: nothing to show. */
  get isStopped(): boolean {
    return this.code === "interrupted";
  }

  static from(thrown: unknown): Failure {
    if (thrown instanceof Failure) return thrown;
    if (thrown instanceof DOMException && thrown.name === "AbortError")
      return new Failure({ code: "interrupted", message: "stopped" });
    // What fetch throws where nobody listens.
    if (thrown instanceof TypeError && /fetch|network|load failed/i.test(thrown.message))
      return new Failure({
        code: "unreachable",
        message: "the server does not answer",
        hint: "Start it again with philab studio: this page goes on by itself.",
      });
    return new Failure({
      code: "internal",
      message: thrown instanceof Error ? thrown.message : String(thrown),
    });
  }
}

interface ErrorBody {
  error?: { message?: string; code?: string; hint?: string };
}

/** The failure that an answer's body tells of. */
export function failureOf(status: number, body: unknown): Failure {
  const {
    message = `the server answered ${status}`,
    code,
    hint,
  } = (body as ErrorBody | null)?.error ?? {};
  // The server adds the hint to its message, for clients that show nothing else.
  const plain =
    hint !== undefined && message.endsWith(`. ${hint}`)
      ? message.slice(0, -hint.length - 2)
      : message;
  return new Failure({
    code:
      status === 401
        ? "locked"
        : code === "model_not_found"
          ? "not_found"
          : ((code ?? "internal") as ErrorRecord["code"]),
    message: plain,
    hint,
  });
}
