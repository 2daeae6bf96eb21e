/** The studio's pages as they are served. */
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readPages } from "../../src/server/studio/pages.ts";
import { build } from "../support/built.ts";
import { startServer, type TestServer } from "../support/server.ts";

const KEY = "sesame-5678";
/** What the first page may weigh, compressed. */
const MAX_FIRST_PAGE_BYTES = 250_000;

let server: TestServer;
beforeAll(async () => {
  build();
  server = await startServer({ apiKey: KEY, pages: await readPages() });
});
afterAll(async () => server[Symbol.asyncDispose]());

const get = async (path: string, headers = {}): Promise<Response> =>
  fetch(server.url + path, { headers, redirect: "manual" });

it("pages need no key, what they ask for does", async () => {
  expect((await get("/studio/")).status).toBe(200);
  expect((await get("/v1/models")).status).toBe(401);
  expect((await get("/")).headers.get("location")).toBe("/studio/");
});

it("pages allow nothing but own files, and no inline script or style", async () => {
  const page = await get("/studio/");
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
  const text = await page.text();
  expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=/);
});

it.each([
  "/studio/../package.json",
  "/studio/%2e%2e/package.json",
  "/studio/..%2f..%2fpackage.json",
  "/studio//etc/passwd",
  "/studio/assets",
  "/studio/none.js",
])("there is nothing at %s", async (path) => {
  const found = await get(path, { authorization: `Bearer ${KEY}` });
  expect(found.status).toBe(404);
});

it("a name under which this server is not known gets no page", async () => {
  const { status } = await get("/studio/", { origin: "http://evil.example" });
  expect(status).toBe(403);
});

it("the first page weighs less than 250 kB compressed", async () => {
  const index = await (await get("/studio/")).text();
  const names = [...index.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, name = ""]) => name);
  const pages = await readPages();
  const weights = ["index.html", ...names].map((name) => pages.get(name)?.gzip.length ?? NaN);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  console.log(`studio: the first page weighs ${total} bytes compressed`);
  expect(total).toBeLessThan(MAX_FIRST_PAGE_BYTES);
  const zipped = pages.get("index.html");
  expect(gunzipSync(zipped?.gzip ?? "").equals(zipped?.bytes ?? Buffer.alloc(0))).toBe(true);
});
