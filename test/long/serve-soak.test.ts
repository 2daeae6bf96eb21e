/**
 * Thousands of bounded requests of mixed kinds, with clients that go away, processes that are killed and bodies that make no sense:
 * no wrong answer, none that is lost without an error, no growth of memory.
 *
 * `PHILAB_SOAK_REQUESTS` sets how many; 10,000 by default.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { startServer, type TestServer } from "../support/server.ts";

const REQUESTS = Number(process.env["PHILAB_SOAK_REQUESTS"] ?? 10_000);
const WORKERS = 12;
/** Memory is looked at after so many. */
const EVERY = Math.ceil(REQUESTS / 20);
/** One request in so many kills the process of the model, */
const KILL_EVERY = 300;
/** up to this share of all; the process that is there then answers the rest, and must not grow either. */
const KILLS_UNTIL = 0.6;

/** What a request may be answered with; the same every time. */
interface Kind {
  route: string;
  body: Record<string, unknown>;
}

const prompts = [
  "def add(a, b):",
  "When Mary and John went to the store, John gave a book to",
  "2 + 3 =",
  "x".repeat(300),
];

function kinds(): Kind[] {
  const completions = prompts.flatMap((prompt): Kind[] => [
    { route: "/v1/completions", body: { prompt, max_tokens: 12, temperature: 0 } },
    { route: "/v1/completions", body: { prompt, max_tokens: 6, temperature: 1, seed: 3, n: 2 } },
    { route: "/v1/completions", body: { prompt, max_tokens: 0, echo: true, logprobs: 2 } },
    { route: "/v1/completions", body: { prompt, max_tokens: 8, seed: 1, stream: true } },
  ]);
  const messages = [{ role: "user", content: "What is 3 + 4?" }];
  return [
    ...completions,
    { route: "/v1/chat/completions", body: { messages, max_tokens: 6, temperature: 0 } },
    { route: "/v1/embeddings", body: { input: ["a", "b c"], encoding_format: "float" } },
    { route: "/tokenize", body: { content: "a text" } },
    { route: "/v1/lab/lens", body: { prompt: "2 + 3 =", top: 2 } },
  ];
}

const NONSENSE = [
  "",
  "{",
  "null",
  "[1]",
  '{"prompt":1}',
  '{"prompt":"x","max_tokens":-5}',
  '{"prompt":[99999999]}',
  `{"prompt":"${"x".repeat(9000)}"}`,
];

/** An answer without what differs from time to time: comments that keep a slow stream open among it. */
function essence(text: string): string {
  return text
    .replaceAll(/^:.*\n\n?/gm, "")
    .replaceAll(/"(id|created)":("[^"]*"|\d+)/g, "")
    .replaceAll(/"(cached_tokens|seed)":\d+/g, "");
}

const residentKbOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What JavaScript holds of the server and its clients once nobody's garbage is counted. */
function heldKb(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / 1024);
}

const LINUX = { skip: process.platform !== "linux", timeout: 7_200_000 };

it("a server outlives whatever is done to it", LINUX, async () => {
  await using server = await startServer({ slots: 8, maxWaiting: 64 });
  const all = kinds();
  const ask = async (
    { route, body }: Kind,
    signal?: AbortSignal,
  ): Promise<{ status: number; text: string }> => {
    const response = await fetch(server.url + route, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    return { status: response.status, text: essence(await response.text()) };
  };
  const expected: { status: number; text: string }[] = [];
  for (const kind of all) expected.push(await ask(kind));
  expect(expected.map(({ status }) => status)).toEqual(all.map(() => 200));

  const counts = { right: 0, left: 0, refused: 0, broken: 0 };
  let next = 0;
  const sizes: number[] = [];
  const workerSizes: number[] = [];
  const heldSizes: number[] = [];
  const lastKill = KILLS_UNTIL * REQUESTS;
  const work = async (random: Random): Promise<void> => {
    while (next < REQUESTS) {
      const number = next++;
      if (number < lastKill && number % KILL_EVERY === KILL_EVERY - 1) kill(server, random);
      if (number % EVERY === EVERY - 1) {
        heldSizes.push(heldKb());
        sizes.push(residentKbOf(process.pid));
        const pid = server.fleet.loaded.get("phi-micro")?.model.pid;
        if (number > lastKill && pid !== undefined) workerSizes.push(residentKbOf(pid));
      }
      const which = random.integer(all.length);
      const kind = all[which] as Kind;
      const chance = random.integer(10);
      if (chance === 0) {
        const text = NONSENSE[random.integer(NONSENSE.length)] ?? "";
        const response = await server.post(kind.route, text);
        const { error } = JSON.parse(await response.text()) as { error: { message: string } };
        expect(error.message.length).toBeGreaterThan(5);
        expect([400, 503]).toContain(response.status);
        counts.refused++;
      } else if (chance === 1) {
        const controller = new AbortController();
        const left = ask(kind, controller.signal).catch(() => undefined);
        await sleep(random.integer(20));
        controller.abort();
        await left;
        counts.left++;
      } else {
        const { status, text } = await ask(kind);
        // What was in work when its process was killed, and what found the queue full, says so.
        if (status === 503 || status === 429 || text.includes('"unavailable_error"'))
          counts.broken++;
        else {
          expect({ status, text }).toEqual(expected[which]);
          counts.right++;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, i) => work(new Random(7).split(i))));
  expect(counts.right + counts.left + counts.refused + counts.broken).toBe(REQUESTS);
  expect(counts.right).toBeGreaterThan(REQUESTS / 2);
  expect(await ask(all[0] as Kind)).toEqual(expected[0]);
  const micro = server.fleet.loaded.get("phi-micro")?.model;
  expect(micro?.load).toBe(0);
  expect(micro?.counts).toMatchObject({ active: 0, waiting: 0 });
  // The first of each fill caches and let the collector find its size.
  for (const kb of [sizes, workerSizes])
    expect(kb.at(-1)).toBeLessThan(1.25 * (kb[Math.floor(kb.length / 3)] ?? 0) + 50_000);
  expect(heldSizes.at(-1)).toBeLessThan(1.1 * (heldSizes[Math.floor(heldSizes.length / 3)] ?? 0));
  const residentKb = { server: sizes, worker: workerSizes };
  console.log(
    JSON.stringify({
      requests: REQUESTS,
      ...counts,
      restarts: micro?.restarts,
      residentKb,
      heldKb: heldSizes,
    }),
  );
});

function kill({ fleet }: TestServer, random: Random): void {
  const pid = fleet.loaded.get("phi-micro")?.model.pid;
  const signal = (["SIGKILL", "SIGABRT", "SIGSEGV"] as const)[random.integer(3)] ?? "SIGKILL";
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // It is just being started again.
  }
}
