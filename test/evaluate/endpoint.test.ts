/** An endpoint that fails, stalls, limits and talks nonsense: every item is answered, and what happened is told. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Endpoint } from "../../src/endpoint/index.ts";
import { EndpointTarget } from "../../src/evaluate/endpoint-target.ts";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { selectTasks } from "../../src/evaluate/select.ts";
import type { LabError } from "../../src/base/errors.ts";
import { json, philab } from "../support/cli.ts";

interface Asked {
  prompt: string;
  echo?: boolean;
  max_tokens: number;
}
type Handler = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

/** Words as tokens, whose log-probability is their length: what is shorter is likelier. */
function answer({ prompt, echo }: Asked, response: ServerResponse): void {
  const tokens = [...prompt.matchAll(/\s*\S+/g)].map((match) => match[0]);
  let at = 0;
  const offsets = tokens.map((token) => (at += [...token].length) - [...token].length);
  const logprobs = {
    tokens: [...tokens, " more"],
    token_logprobs: [null, ...tokens.slice(1).map((token) => -token.length / 4), -1],
    text_offset: [...offsets, at],
    top_logprobs: [
      null,
      ...tokens.slice(1).map((token) => ({ [token]: -token.length / 4 })),
      { " more": -1 },
    ],
  };
  const text = ` ${prompt.length}\nInstruct: next`;
  response.end(
    JSON.stringify({
      choices: [{ text: echo ? `${prompt} more` : text, ...(echo ? { logprobs } : {}) }],
    }),
  );
}

const ROWS = Array.from({ length: 12 }, (_, i) => ({
  question: `Question number ${"x".repeat(i)}`,
  choices: ["yes", "certainly not", "perhaps"],
  total: `${`Question number ${"x".repeat(i)}`.length}`,
}));
const CHOICE = `
task: choice
output_type: multiple_choice
data: rows.jsonl
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: "0"
`;
const TEXT = `
task: text
output_type: generate_until
data: rows.jsonl
doc_to_text: "{{question}}"
doc_to_target: "{{total}}"
`;

let folder: string;
let server: Server;
let url: string;
let handler: Handler;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-endpoint-"));
  await writeFile(
    path.join(folder, "rows.jsonl"),
    ROWS.map((row) => JSON.stringify(row)).join("\n"),
  );
  await writeFile(path.join(folder, "choice.yaml"), CHOICE);
  await writeFile(path.join(folder, "text.yaml"), TEXT);
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => handler(JSON.parse(body) as Asked, response, request));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/v1`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

const client = (): Endpoint =>
  new Endpoint({ url, model: "m", timeoutMs: 150, backoffMs: 1, maxRetries: 4 });

async function run(
  endpoint: Endpoint,
  out: string,
): Promise<Record<string, Record<string, number>>> {
  const names = ["choice", "text"].map((name) => path.join(folder, `${name}.yaml`));
  const results = await evaluate({
    selection: await selectTasks(names),
    target: new EndpointTarget(endpoint, { concurrency: 4 }),
    data: { dataFolder: "" },
    folder: path.join(folder, out),
    signal: new AbortController().signal,
  });
  return results["results"] as unknown as Record<string, Record<string, number>>;
}

describe("an endpoint", () => {
  it("that is well gives the scores of its log-probabilities", async () => {
    handler = answer;
    const endpoint = client();
    const results = await run(endpoint, "well");
    expect(results["choice"]?.["acc,none"]).toBe(1);
    expect(results["text"]?.["exact_match,none"]).toBe(1);
    expect(endpoint.counts).toEqual({
      requests: 36 + 12 + 1,
      retries: 0,
      limited: 0,
      stalled: 0,
      failed: 0,
      nonsense: 0,
    });
  });

  it("that fails, stalls, limits, hangs up and talks nonsense costs time, not items", async () => {
    handler = answer;
    await run(client(), "well");
    const seen = new Map<string, number>();
    handler = (asked, response, request) => {
      const times = (seen.get(asked.prompt) ?? 0) + 1;
      seen.set(asked.prompt, times);
      if (times > 1) return answer(asked, response);
      switch (seen.size % 7) {
        case 0:
          return void response.writeHead(500).end("oops");
        case 1:
          return void response.writeHead(429, { "retry-after": "0.02" }).end();
        case 2:
          return; // stalls
        case 3:
          return void request.socket.destroy();
        case 4:
          return void response.end("<html>hello</html>");
        case 5:
          return void response.end('{"choices": []}');
        default:
          return void response.end(
            JSON.stringify({
              choices: [
                {
                  text: asked.echo ? "x" : 5,
                  logprobs: { tokens: ["a"], token_logprobs: [5], text_offset: [0] },
                },
              ],
            }),
          );
      }
    };
    const endpoint = client();
    await run(endpoint, "ill");
    const { counts } = endpoint;
    for (const kind of ["limited", "stalled", "failed", "nonsense"] as const)
      expect([kind, counts[kind] > 0]).toEqual([kind, true]);
    for (const file of ["results.json", "samples_choice.jsonl"])
      expect(await readFile(path.join(folder, "ill", file), "utf8")).toBe(
        await readFile(path.join(folder, "well", file), "utf8"),
      );
  });

  it("that stays ill ends the run with what was the matter; later it goes on where it was", async () => {
    let answered = 0;
    handler = (asked, response) => {
      if (++answered > 20) response.writeHead(503).end();
      else answer(asked, response);
    };
    const failure = await run(client(), "later").catch((error: unknown) => error as LabError);
    expect(failure).toMatchObject({
      code: "engine_failed",
      message: expect.stringContaining("5 attempts failed; the last: status 503") as string,
    });
    let again = 0;
    handler = (asked, response) => {
      again++;
      answer(asked, response);
    };
    const results = await run(client(), "later");
    expect(results["choice"]?.["acc,none"]).toBe(1);
    expect(again).toBeLessThanOrEqual(48 + 1 - 15);
  });

  it("that leaves the prompt's log-probabilities out is found before anything is counted", async () => {
    handler = (_, response) => void response.end(JSON.stringify({ choices: [{ text: "x" }] }));
    await expect(run(client(), "blind")).rejects.toMatchObject({ code: "unsupported" });
  });

  it("that refuses is not asked again", async () => {
    handler = (_, response) => void response.writeHead(401).end("no key");
    const endpoint = client();
    await expect(endpoint.complete({ prompt: "x", maxTokens: 1 })).rejects.toMatchObject({
      code: "bad_input",
      hint: expect.stringContaining("PHILAB_API_KEY") as string,
    });
    expect(endpoint.counts.requests).toBe(1);
    expect(() => new Endpoint({ url: "localhost", model: "m" })).toThrow(/no address/);
  });

  it("is a target of the command line", async () => {
    handler = answer;
    const argv = [
      "eval",
      "run",
      "--endpoint",
      url,
      "--model",
      "m",
      "--tasks",
      "choice.yaml",
      "--json",
    ];
    const ran = await philab(argv, { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    expect(json(ran)).toMatchObject({ results: { choice: { "acc,none": 1 } } });
  });
});
