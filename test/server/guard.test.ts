/** Who may ask, and in which form. */
import { request } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serve } from "../../src/server/serve.ts";
import { startServer, type TestServer } from "../support/server.ts";

const KEY = "sesame-1234";
const PAGE = "http://studio.example";

/** Asks with headers that `fetch` sets itself. */
async function ask(
  url: string,
  {
    method = "GET",
    headers = {},
    body = "",
  }: { method?: string; headers?: Record<string, string>; body?: string },
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

describe("a server on this machine", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({
      apiKey: KEY,
      allowedOrigins: [PAGE],
      allowedHosts: ["box.local"],
      maxBodyBytes: 4096,
    });
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  const authorization = `Bearer ${KEY}`;
  const json = "application/json";

  it.each([
    ["localhost:1", 200],
    ["127.0.0.1", 200],
    ["[::1]:80", 200],
    ["BOX.local:8000", 200],
    ["evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["localhost@evil.example", 400],
  ])(
    "answers under the host %s with %i, so that no name can be pointed here",
    async (host, status) => {
      const found = await ask(`${server.url}/v1/models`, { headers: { host, authorization } });
      expect(found.status).toBe(status);
    },
  );

  it("refuses pages of other origins, and lets those that are allowed read the answer", async () => {
    const from = async (origin: string, method = "GET") =>
      ask(`${server.url}/v1/models`, { method, headers: { origin, authorization } });
    for (const origin of [
      "http://evil.example",
      "null",
      `${PAGE}.evil.example`,
      "http://localhost:1",
    ])
      expect((await from(origin)).status).toBe(403);
    const allowed = await from(PAGE);
    expect(allowed.status).toBe(200);
    expect(allowed.headers["access-control-allow-origin"]).toBe(PAGE);
    expect((await from(PAGE, "OPTIONS")).status).toBe(204);
    expect((await from(server.url)).headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("wants its key, whole", async () => {
    for (const given of [undefined, "Bearer ", `Bearer ${KEY.slice(1)}`, `Basic ${KEY}`, KEY]) {
      const headers = given === undefined ? {} : { authorization: given };
      const { status, text } = await ask(`${server.url}/v1/models`, { headers });
      expect(status).toBe(401);
      expect(JSON.parse(text)).toMatchObject({
        error: { type: "authentication_error", code: "invalid_api_key" },
      });
    }
    expect((await ask(`${server.url}/health`, {})).status).not.toBe(401);
  });

  it("takes JSON only: no form and no text, which a page could send without asking", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      undefined,
    ]) {
      const headers = { authorization, ...(type === undefined ? {} : { "content-type": type }) };
      const body = '{"prompt":"x"}';
      const found = await ask(`${server.url}/v1/completions`, { method: "POST", headers, body });
      expect(found.status).toBe(415);
    }
  });

  it("keeps connections open for longer than clients do, and says for how long", async () => {
    const { headers } = await ask(`${server.url}/v1/models`, { headers: { authorization } });
    expect(headers["keep-alive"]).toBe("timeout=75");
  });

  it("bounds bodies, said or not", async () => {
    const body = JSON.stringify({ prompt: "x".repeat(5000) });
    const headers = { authorization, "content-type": json };
    const said = { ...headers, "content-length": String(body.length) };
    const chunked = { ...headers, "transfer-encoding": "chunked" };
    for (const some of [said, chunked])
      expect(
        (await ask(`${server.url}/v1/completions`, { method: "POST", headers: some, body })).status,
      ).toBe(413);
  });

  it("takes names of its own lists for models, never paths", async () => {
    const names = [
      "../phi-micro",
      "/etc/passwd",
      "./phi-micro",
      "phi-micro/../phi-micro",
      "hf:a/b",
      "phi-micro+../x",
      "~",
      "C:\\x",
    ];
    for (const model of names) {
      const body = JSON.stringify({ model, prompt: "x" });
      const headers = { authorization, "content-type": json };
      const found = await ask(`${server.url}/v1/completions`, { method: "POST", headers, body });
      expect(found.status).toBe(404);
    }
    expect(
      (await ask(`${server.url}/v1/models/..%2F..%2Fetc`, { headers: { authorization } })).status,
    ).toBe(404);
  });

  it("answers whatever comes with a 4xx and a reason, and goes on", async () => {
    const field = fc.constantFrom(
      "prompt",
      "max_tokens",
      "logprobs",
      "echo",
      "n",
      "stop",
      "seed",
      "logit_bias",
      "stream",
      "model",
      "input",
      "messages",
      "content",
      "tokens",
    );
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(
        -1,
        1e308,
        -0,
        2 ** 53,
        "\u0000",
        "\ud800",
        [[]],
        { toString: 1 },
        "__proto__",
      ),
    );
    const object = fc
      .dictionary(field, value, { maxKeys: 5 })
      .map((fields) => JSON.stringify(fields));
    const text = fc.oneof(object, fc.string({ maxLength: 40 }), fc.constant("[".repeat(2000)));
    const routes = fc.constantFrom(
      "/v1/completions",
      "/v1/chat/completions",
      "/v1/embeddings",
      "/tokenize",
      "/detokenize",
    );
    await fc.assert(
      fc.asyncProperty(routes, text, async (route, body) => {
        const headers = { authorization, "content-type": json };
        const found = await ask(server.url + route, { method: "POST", headers, body });
        if (found.status === 200) return;
        expect(found.status).toBeGreaterThanOrEqual(400);
        expect(found.status).toBeLessThan(500);
        const { error } = JSON.parse(found.text) as { error: { message: string } };
        expect(error.message.length).toBeGreaterThan(5);
      }),
      { numRuns: 150 },
    );
    const body = JSON.stringify({ prompt: "x", max_tokens: 1 });
    const headers = { authorization, "content-type": json };
    const still = await ask(`${server.url}/v1/completions`, { method: "POST", headers, body });
    expect(still.status).toBe(200);
    expect(server.logged.filter(({ message }) => message.includes("ended"))).toEqual([]);
  });
});

it("a server that others can reach needs a key", async () => {
  const options = { host: "0.0.0.0", apiKey: undefined } as unknown as Parameters<typeof serve>[0];
  await expect(serve(options)).rejects.toMatchObject({ code: "bad_input" });
});
