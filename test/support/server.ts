/** A server inside the test's own process; the processes of its models are the built program's. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI from "openai";
import { expect } from "vitest";
import { resolveModelReference } from "../../src/catalog/reference.ts";
import { homeFolders } from "../../src/base/settings.ts";
import { serve, type RunningServer, type ServeOptions } from "../../src/server/serve.ts";
import { build } from "./built.ts";

export interface TestServer extends RunningServer {
  home: string;
  /** Ends the server; its home stays until the test is over. */
  close: () => Promise<void>;
  logged: { message: string; more: Record<string, string | number> }[];
  client: OpenAI;
  /** Asks without a client: status, body as text, headers. */
  post: (route: string, body: unknown, headers?: Record<string, string>) => Promise<Response>;
}

const BUNDLED = "phi-micro";

export async function startServer({
  references = [BUNDLED],
  ...options
}: Partial<ServeOptions> & { references?: readonly string[] } = {}): Promise<TestServer> {
  build();
  const home = options.home ?? (await mkdtemp(path.join(tmpdir(), "philab-serve-")));
  const folders = homeFolders(home);
  const models = [];
  for (const text of references) {
    const reference = await resolveModelReference(text, { folders, cwd: home });
    models.push({ id: reference.name, reference });
  }
  const logged: TestServer["logged"] = [];
  const server = await serve({
    ...{ host: "127.0.0.1", port: 0, home, models, mode: "fast", device: "cpu", threads: 1 },
    ...{ slots: 4, maxWaiting: 256, memoryBytes: 2 ** 32, idleMs: 0, maxBodyBytes: 2 ** 20 },
    ...{ apiKey: undefined, allowedHosts: [], allowedOrigins: [] },
    log: (message, more = {}) => logged.push({ message, more }),
    ...options,
  });
  return {
    ...{ ...server, home, logged },
    close: async () => server[Symbol.asyncDispose](),
    client: new OpenAI({
      ...{ baseURL: `${server.url}/v1`, apiKey: options.apiKey ?? "none", maxRetries: 0 },
    }),
    post: async (route, body, headers = {}) =>
      fetch(server.url + route, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** The header and the values of a binary answer. */
export async function binaryOf(response: Response): Promise<{
  header: {
    pattern: { shape: number[] };
    __metadata__: { heads: string; tokens: string; square: string };
  };
  body: ArrayBuffer;
}> {
  expect(response.status).toBe(200);
  const bytes = await response.arrayBuffer();
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  expect(length % 8).toBe(0);
  const header = JSON.parse(Buffer.from(bytes, 8, length).toString()) as never;
  return { header, body: bytes.slice(8 + length) };
}

/** The events of a stream, without the last. */
export async function eventsOf(response: Response): Promise<Record<string, unknown>[]> {
  const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: "));
  expect(lines.pop()).toBe("data: [DONE]");
  return lines.map((line) => JSON.parse(line.slice(6)) as Record<string, unknown>);
}
