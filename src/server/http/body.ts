/** Bodies of requests: bounded, JSON, and checked by a schema. */
import type { Context } from "hono";
import type { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { checkObject } from "../../base/schema.ts";
import { HttpError } from "./errors.ts";

/** Reads at most `maxBytes` of JSON. Throws `HttpError` 400 and 413. */
export async function readJson(context: Context, maxBytes: number): Promise<unknown> {
  const tooLarge = new HttpError(413, `the body has more than ${maxBytes} bytes`);
  if (Number(context.req.header("content-length") ?? 0) > maxBytes) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let length = 0;
  const stream = context.req.raw.body as AsyncIterable<Uint8Array> | null;
  for await (const chunk of stream ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge;
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new HttpError(400, `the body is not JSON: ${(error as Error).message}`);
  }
}

/** `value` as the schema has it; the error names the first field that is wrong. */
export function checkBody<S extends z.ZodObject>(schema: S, value: unknown): z.output<S> {
  try {
    return checkObject(schema, value, { what: "the request" });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const issue = schema.safeParse(value).error?.issues[0];
    const param =
      issue?.code === "unrecognized_keys" ? issue.keys[0] : issue?.path.map(String).join(".");
    throw new HttpError(400, error.message, {
      param: param === "" ? undefined : param,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}
