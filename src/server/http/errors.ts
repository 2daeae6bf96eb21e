/** Errors as OpenAI's clients read them. */
import { ERROR_STATUS, LabError } from "../../base/errors.ts";

/** Status and kind of refusals that come before a request is understood. */
export class HttpError extends LabError {
  readonly status: number;
  /** The field that is wrong. */
  readonly param: string | undefined;

  constructor(
    status: number,
    message: string,
    options: { hint?: string; param?: string | undefined } = {},
  ) {
    super("bad_input", message, options.hint === undefined ? {} : { hint: options.hint });
    this.status = status;
    this.param = options.param;
  }
}

export interface ErrorBody {
  error: {
    message: string;
    type: string;
    param: string | null;
    /** philab's own code, which says more than the status. */
    code: string;
    hint?: string;
  };
}

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
  500: "server_error",
  503: "unavailable_error",
  507: "insufficient_storage_error",
};

/** Seconds after which asking again makes sense. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, string>> = { 429: "1", 503: "1" };

export interface ErrorAnswer {
  status: number;
  body: ErrorBody;
  headers: Record<string, string>;
}

export function errorAnswer(thrown: unknown): ErrorAnswer {
  const error = LabError.from(thrown);
  const status = error instanceof HttpError ? error.status : ERROR_STATUS[error.code].http;
  const { message, hint, code } = error;
  const retryAfter = RETRY_AFTER_SECONDS[status];
  return {
    status,
    headers: retryAfter === undefined ? {} : { "retry-after": retryAfter },
    body: {
      error: {
        message: hint === undefined ? message : `${message}. ${hint}`,
        type: TYPES[status] ?? "invalid_request_error",
        param: (error instanceof HttpError ? error.param : undefined) ?? null,
        code: status === 401 ? "invalid_api_key" : code === "not_found" ? "model_not_found" : code,
        ...(hint === undefined ? {} : { hint }),
      },
    },
  };
}
