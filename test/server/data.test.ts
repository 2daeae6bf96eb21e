/** Corpora through the server: made of each other, browsed, rated, cut; duplicates and benchmark items beside each other. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../../src/base/hash.ts";
import { readAnnotations } from "../../src/data/index.ts";
import { loadTokenizer } from "../../src/tokenizer/index.ts";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { documentsOf, writeFiles } from "../support/corpora.ts";
import { checkableCorpus, EXAMPLE_ITEMS } from "../support/checkable-corpus.ts";
import { beginRun, showRun, watchRun } from "../support/server-runs.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  writeFiles(path.join(server.home, "data"), { "rows.jsonl": checkableCorpus() });
  const { id, command } = await beginRun(server, "data", {
    ...{ from: "rows.jsonl", name: "checked", rows: EXAMPLE_ITEMS },
    stages: [
      { use: "clean", rules: [] },
      { use: "dedup" },
      { use: "decontaminate" },
      { use: "perplexity", model: "phi-micro", maxCharacters: 32 },
    ],
  });
  expect(command.slice(0, 4)).toEqual(["philab", "data", "run", "checked.yaml"]);
  await watchRun(server, id);
  expect(await showRun(server, id)).toMatchObject({ state: "done" });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const corpusFolder = (): string => path.join(server.home, "data", "checked");
async function get<T>(route: string): Promise<T> {
  const response = await fetch(server.url + route);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}
async function ask<T>(route: string, body: object = {}): Promise<T> {
  const response = await server.post(`/v1/lab/data/checked/${route}`, body);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as T;
}

interface Page {
  total: number;
  documents: { id: string; beginning: string; rating: number | null; tokens?: number }[];
}

describe("a corpus", () => {
  it("is listed and described: what each stage did, licences, scores", async () => {
    const { corpora } = await get<{ corpora: object[] }>("/v1/lab/corpora");
    const kept = await documentsOf(corpusFolder());
    const textBytes = kept.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    expect(corpora).toEqual([{ name: "checked", documents: kept.length, textBytes }]);
    const about = await get<Record<string, unknown>>("/v1/lab/data/checked");
    expect(about).toMatchObject({
      kept: {
        documents: kept.length,
        scores: ["characters", "clean.language", "clean.words", "perplexity.bits"],
        licences: [{ name: "MIT", documents: kept.length }],
      },
      ...{ duplicates: 2, contaminated: 2 },
    });
    expect((about["history"] as { stage: string }[]).map(({ stage }) => stage)).toEqual([
      ...["clean", "dedup", "decontaminate", "perplexity"],
    ]);
  });

  it("is paged, searched and sorted; a document is read whole", async () => {
    const kept = await documentsOf(corpusFolder());
    const page = await ask<Page>("documents", { offset: 3, limit: 4 });
    expect(page.total).toBe(kept.length);
    expect(page.documents.map(({ id }) => id)).toEqual(kept.slice(3, 7).map(({ id }) => id));
    const { documents } = await ask<Page>("documents", {
      order: "characters",
      descending: true,
      limit: 1,
    });
    const longest = [...kept].sort((a, b) => b.text.length - a.text.length)[0];
    expect(documents[0]?.id).toBe(longest?.id);
    const word = kept[5]?.text.split(" ").at(-1) ?? "";
    const found = await ask<Page>("documents", { search: word.toUpperCase() });
    expect(found.documents.map(({ id }) => id)).toContain(kept[5]?.id);
    const whole = await ask<{ document: object; sha256: string }>("document", { id: longest?.id });
    expect(whole.document).toEqual(longest);
    const went = await ask<Page>("documents", { which: "rejected" });
    expect(went.total).toBe(4);
  });

  it("has its tokens counted by a model's tokenizer", async () => {
    const tokenizer = await loadTokenizer(path.join(PACKAGE_ROOT, "models", "phi-micro"));
    const kept = await documentsOf(corpusFolder());
    const tokens = kept.reduce((sum, { text }) => sum + tokenizer.encode(text).length, 0);
    expect(await ask("tokens")).toMatchObject({ model: "phi-micro", tokens });
    expect((await ask<Page>("documents", { limit: 1 })).documents[0]?.tokens).toBeGreaterThan(0);
  });

  it("is cut at a threshold as select would cut it", async () => {
    const asked = { score: "perplexity.bits", threshold: 3 };
    const kept = await documentsOf(corpusFolder());
    const stays = kept.filter(({ scores }) => (scores["perplexity.bits"] ?? 0) >= 3);
    const found = await ask<{ kept: object; above: object[]; below: object[] }>("cut", asked);
    expect(found.kept).toMatchObject({ documents: stays.length });
    expect(found.above.length + found.below.length).toBeGreaterThan(3);
    const { bins } = await ask<{ bins: { documents: number }[] }>("histogram", {
      ...{ score: "perplexity.bits", bins: 10 },
    });
    expect(bins.reduce((sum, bin) => sum + bin.documents, 0)).toBe(kept.length);
  });
});

it("ratings lie in the file that classify reads, one for a text, and can be taken back", async () => {
  const { documents } = await ask<Page>("documents", { order: "sample", limit: 3 });
  const [first, second] = documents.map(({ id }) => id);
  const file = path.join(server.home, "data", "checked.ratings.jsonl");
  // Both at once: neither is lost.
  await Promise.all([
    ask("ratings", { id: first, rating: 5 }),
    ask("ratings", { id: second, rating: 0 }),
  ]);
  await ask("ratings", { id: first, rating: 2 });
  const kept = await documentsOf(corpusFolder());
  const hash = (id: string | undefined): string =>
    sha256(kept.find((document) => document.id === id)?.text ?? "");
  expect(new Set(await readAnnotations(file))).toEqual(
    new Set([
      { id: second, sha256: hash(second), rating: 0, annotator: "person" },
      { id: first, sha256: hash(first), rating: 2, annotator: "person" },
    ]),
  );
  const again = await ask<Page>("documents", { order: "sample", limit: 3 });
  expect(again.documents.map(({ rating }) => rating)).toEqual([2, 0, null]);
  await ask("ratings", { id: first, rating: null });
  expect((await readAnnotations(file)).map(({ id }) => id)).toEqual([second]);
  expect((await readFile(file, "utf8")).endsWith("\n")).toBe(true);
});

it("duplicates stand beside what stayed, the least similar first", async () => {
  interface Pair {
    similarity: number;
    removed: { id: string };
    kept: { id: string };
  }
  const { pairs, total } = await ask<{ total: number; pairs: Pair[] }>("duplicates");
  expect(total).toBe(2);
  expect(pairs.map(({ removed, kept }) => [removed.id, kept.id])).toEqual([
    ["edited", "original"],
    ["copy", "twice"],
  ]);
  expect(pairs[0]?.similarity).toBeLessThan(1);
  expect(pairs[1]?.similarity).toBe(1);
});

it("contaminated documents stand beside the items that they hold, with the words in a row", async () => {
  interface Contaminated {
    document: { id: string; text: string };
    hits: { method: string; item: string; text: string; runs: { a: number[][]; b: number[][] } }[];
  }
  const found = await ask<{ total: number; missing: string[]; documents: Contaminated[] }>(
    "contamination",
  );
  expect(found).toMatchObject({ total: 2, missing: [] });
  const byId = new Map(found.documents.map((one) => [one.document.id, one]));
  const quoted = byId.get("quotes");
  const [hit] = quoted?.hits.filter(({ method }) => method === "ngram") ?? [];
  const [from = 0, to = 0] = hit?.runs.a[0] ?? [];
  const marked = quoted?.document.text.slice(from, to).toLowerCase() ?? "";
  const wanted = EXAMPLE_ITEMS[0]?.prompt.toLowerCase() ?? "";
  expect(marked.split(/\W+/).length).toBeGreaterThanOrEqual(13);
  expect(wanted.replaceAll(/\W+/g, " ")).toContain(marked.replaceAll(/\W+/g, " "));
  expect(byId.get("renamed")?.hits[0]).toMatchObject({ method: "ast", item: "example/1" });
  expect(byId.get("renamed")?.hits[0]?.text).toContain("def count_even");
});

it("names are names: nothing outside the data folder is reached, and nothing is begun", async () => {
  const before = await readdir(path.join(server.home, "runs"));
  for (const name of ["..", "%2e%2e", "..%2Fruns", "%2Fetc", ".hidden", "no-corpus", "a%00b"]) {
    const response = await fetch(`${server.url}/v1/lab/data/${name}/ratings`);
    expect(response.status, name).toBe(404);
  }
  for (const [status, body] of [
    [404, { from: "nothing", name: "x" }],
    [400, { from: "../runs", name: "x" }],
    [400, { from: "checked", name: "../x" }],
    [400, { from: "checked", name: "checked" }],
    [400, { from: "checked", name: "x", stages: [{ use: "dsir", target: "/etc/passwd" }] }],
    [400, { from: "checked", name: "x", stages: [{ use: "classify", classifier: "/etc/passwd" }] }],
    [400, { from: "checked", name: "x", stages: [{ use: "decontaminate" }] }],
    [
      400,
      {
        from: "checked",
        name: "x",
        stages: [{ use: "decontaminate", benchmarks: ["/etc/passwd"] }],
      },
    ],
    [404, { from: "checked", name: "x", stages: [{ use: "perplexity", model: "/etc" }] }],
    [400, { from: "checked", name: "x", out: "/tmp/x" }],
  ] as const) {
    const response = await server.post("/v1/lab/runs/data", body);
    expect(response.status, `${JSON.stringify(body)}: ${await response.text()}`).toBe(status);
  }
  expect(await readdir(path.join(server.home, "runs"))).toEqual(before);
  for (const [route, body] of [
    ["cut", { score: "none", threshold: 0 }],
    ["document", { id: "nobody" }],
    ["ratings", { id: "nobody", rating: 3 }],
  ] as const)
    expect((await server.post(`/v1/lab/data/checked/${route}`, body)).status).toBe(404);
  expect(
    (await server.post("/v1/lab/data/checked/ratings", { id: "twice", rating: 6 })).status,
  ).toBe(400);
});
