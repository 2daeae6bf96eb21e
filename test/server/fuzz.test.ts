/** Requests to every endpoint that the OpenAPI document names, with bodies nearly as it wants them: an answer or a reason, never a fault. */
import { request } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixture } from "../support/golden.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** As much of JSON Schema as the document has. */
interface Schema {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

const HOSTILE: readonly unknown[] = [
  ...["", "\u0000", "\ud800", "__proto__", "constructor", "../../etc/passwd", "hf:a/b", "%00"],
  ...["phi-micro+x", "blocks.99.hook_z", "blocks.*.hook_z", "hook_logits", "x".repeat(999)],
  ...[-1, 1.5, 99, 1e9, 2 ** 53, -(2 ** 53), 1e308, true, null, [], [[]], {}, [{}]],
];
/** What makes sense under these names; elsewhere texts are prompts. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  model: ["phi-micro", "phi-mini"],
  answer: [" a", "b"],
  against: [" b"],
  at: ["blocks.0.hook_resid_pre", "blocks.1.attn.hook_z", "hook_logits"],
  hook: ["blocks.0.hook_mlp_out"],
  capture: ["blocks.0.hook_resid_pre", "blocks.*.attn.hook_pattern"],
  gradients: ["hook_embed"],
};

const hostile = fc.oneof(fc.constantFrom(...HOSTILE), fc.jsonValue({ maxDepth: 2 }));

/** Nearly always what the schema wants; what is optional seldom, so that some requests get through. */
function like(schema: Schema, name = "", depth = 0): fc.Arbitrary<unknown> {
  const { type, enum: values, anyOf, oneOf, items = {}, properties = {}, required = [] } = schema;
  const or = (arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof({ arbitrary, weight: 30 }, { arbitrary: hostile, weight: 1 });
  const choices = anyOf ?? oneOf;
  if (schema.const !== undefined) return or(fc.constant(schema.const));
  if (values !== undefined) return or(fc.constantFrom(...values));
  if (choices !== undefined) return fc.oneof(...choices.map((one) => like(one, name, depth)));
  if (type === "string") return or(fc.constantFrom(...(TEXTS[name] ?? ["def f(x):", " a b"])));
  if (type === "integer" || type === "number") return or(fc.constantFrom(0, 1, 2, 3));
  if (type === "boolean") return or(fc.boolean());
  if (type === "array")
    return or(fc.array(like(items, name, depth + 1), { minLength: 1, maxLength: 3 }));
  if (type !== "object" || depth > 3) return hostile;
  const optional = Object.keys(properties).filter((key) => !required.includes(key));
  const model = "model" in properties ? ["model"] : [];
  return or(
    fc
      .subarray(optional, { maxLength: Math.min(2, optional.length) })
      .chain((some) =>
        fc.record(
          Object.fromEntries(
            [...new Set([...required, ...model, ...some])].map((key) => [
              key,
              like(properties[key] ?? {}, key, depth + 1),
            ]),
          ),
        ),
      ),
  );
}

/** `fetch` would tidy up paths. */
async function ask(
  url: string,
  { method, path, body }: { method: string; path: string; body?: string },
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(url);
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        // The events of a run go on while it does.
        if (path.endsWith("/events")) sent.destroy();
      });
      response.on("close", () => {
        resolve({ status: response.statusCode ?? 0, text });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** A measurement of seconds, without a body. */
const TAKES_ITS_TIME = ["/v1/lab/system/measure"];
const PARTS = [
  "x",
  "phi-mini",
  "..%2F..%2Fetc",
  "%00",
  "%E0%A4%A",
  "a".repeat(300),
  "-1",
  "%2e%2e",
  "~",
];

describe("whatever comes", () => {
  let server: TestServer;
  let operations: { method: string; path: string; schema: Schema | undefined }[];
  beforeAll(async () => {
    server = await startServer({
      references: [fixture("phi-mini"), "phi-micro"],
      maxBodyBytes: 2 ** 16,
    });
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      paths: Record<
        string,
        Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>
      >;
    };
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { requestBody }]) => ({
        ...{ method: method.toUpperCase(), path },
        schema: requestBody?.content["application/json"]?.schema,
      })),
    );
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  it("to any endpoint is answered, or refused with a reason", async () => {
    expect(operations.length).toBeGreaterThan(50);
    let answered = 0;
    for (const { method, path, schema } of operations) {
      if (TAKES_ITS_TIME.includes(path)) continue;
      const parts = fc.array(fc.constantFrom(...PARTS), { minLength: 3, maxLength: 3 });
      const bodies = schema === undefined ? fc.constant({}) : like(schema);
      await fc.assert(
        fc.asyncProperty(parts, bodies, async (names, value) => {
          const filled = path.replace(/\{\w+\}/g, () => names.pop() ?? "x");
          const body = method === "POST" ? { body: JSON.stringify(value) } : {};
          const { status, text } = await ask(server.url, { method, path: filled, ...body });
          expect(status, text).toBeGreaterThanOrEqual(200);
          expect(status, text).toBeLessThan(500);
          if (status === 200 && method === "POST") answered++;
          if (status === 200 && method === "POST" && path.startsWith("/v1/lab/runs/")) {
            const { id } = JSON.parse(text) as { id: string };
            await server.post(`/v1/lab/runs/${id}/cancel`, {});
          }
          if (status < 400) return;
          const { error } = JSON.parse(text) as { error: { message: string } };
          expect(error.message.length).toBeGreaterThan(5);
        }),
        { numRuns: 6 },
      );
    }
    // Not all was nonsense, and nobody's process has ended over it.
    expect(answered).toBeGreaterThan(20);
    expect(server.logged.filter(({ message }) => message === "model process ended")).toEqual([]);
    const still = await server.post("/v1/completions", { model: "phi-micro", prompt: "x" });
    expect(still.status).toBe(200);
  });
});
