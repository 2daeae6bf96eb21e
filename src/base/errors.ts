/**
 * The one error class that crosses philab's borders: library, command line, HTTP and child processes.
 * The message says what was asked and what was found; the hint says what to do next.
 */

export const ERROR_CODES = [
  "bad_input",
  "unsupported",
  "corrupt_file",
  "too_long",
  "not_found",
  "out_of_memory",
  "disk_full",
  "busy",
  "engine_failed",
  "check_failed",
  "interrupted",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Process exit code and HTTP status of every error code (DESIGN.md: Common ground). */
export const ERROR_STATUS: Record<ErrorCode, { exit: number; http: number }> = {
  bad_input: { exit: 2, http: 400 },
  unsupported: { exit: 2, http: 400 },
  corrupt_file: { exit: 2, http: 400 },
  too_long: { exit: 2, http: 400 },
  not_found: { exit: 2, http: 404 },
  out_of_memory: { exit: 2, http: 507 },
  disk_full: { exit: 2, http: 507 },
  busy: { exit: 1, http: 429 },
  engine_failed: { exit: 1, http: 503 },
  check_failed: { exit: 3, http: 422 },
  interrupted: { exit: 130, http: 499 },
  internal: { exit: 1, http: 500 },
};

/** How an error travels between processes and over HTTP. */
export interface ErrorRecord {
  code: ErrorCode;
  message: string;
  hint?: string;
}

/** What went wrong, in terms that a caller can act on: a code, a message that says what was asked and found, a hint what to do. */
export class LabError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LabError";
    this.code = code;
    this.hint = options.hint;
  }

  toJSON(): ErrorRecord {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    };
  }

  static fromJSON(record: ErrorRecord): LabError {
    return new LabError(
      record.code,
      record.message,
      record.hint === undefined ? {} : { hint: record.hint },
    );
  }

  /** Any thrown value as a `LabError`; what philab did not foresee becomes `internal`. */
  static from(error: unknown): LabError {
    if (error instanceof LabError) return error;
    if (error instanceof Error) {
      const system = fromSystemCode(error);
      if (system) return system;
      if (error.name === "AbortError")
        return new LabError("interrupted", "interrupted", { cause: error });
      return new LabError("internal", error.message, { cause: error });
    }
    return new LabError("internal", String(error));
  }
}

/** Throws an `internal` error when something that philab itself guarantees does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new LabError("internal", `internal: ${message}`);
}

function fromSystemCode(error: Error): LabError | undefined {
  const { code, path } = error as NodeJS.ErrnoException;
  const where = path === undefined ? "" : `: ${path}`;
  switch (code ?? "") {
    case "ENOENT":
      return new LabError("not_found", `no such file or directory${where}`, { cause: error });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new LabError("bad_input", `permission denied${where}`, { cause: error });
    case "EISDIR":
    case "ENOTDIR":
      return new LabError("bad_input", `${error.message}`, { cause: error });
    case "ENOSPC":
    case "EDQUOT":
      return new LabError("disk_full", `no space left on the device${where}`, {
        cause: error,
        hint: "Free some space, or write to another disk.",
      });
    default:
      return undefined;
  }
}
