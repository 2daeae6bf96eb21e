import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sha256, sha256File, sha256Folder } from "./hash.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "philab-hash-"));
});
afterEach(() => rm(folder, { recursive: true }));

const LONG_AGO = new Date("2024-01-01T00:00:00Z");

async function file(name: string, content: string, time = LONG_AGO): Promise<string> {
  const target = path.join(folder, name);
  await writeFile(target, content);
  await utimes(target, time, time);
  return target;
}

describe("the hash of a file", () => {
  test("is SHA-256", async () => {
    const target = await file("a", "abc");
    expect(await sha256File(target)).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    expect(sha256("abc")).toBe(await sha256File(target));
  });

  test("is remembered while path, size, time and inode stay, and made anew when one changes", async () => {
    const target = await file("a", "abc");
    const cacheFolder = path.join(folder, "cache");
    let reads = 0;
    const hash = () => sha256File(target, { cacheFolder, onProgress: () => reads++ });
    const first = await hash();
    expect(await hash()).toBe(first);
    expect(reads).toBe(1);
    await file("a", "abd");
    await utimes(target, LONG_AGO, new Date(LONG_AGO.getTime() + 1));
    expect(await hash()).toBe(sha256("abd"));
    expect(reads).toBe(2);
  });

  test("is not remembered for a file written a moment ago", async () => {
    const target = await file("a", "abc", new Date());
    const cacheFolder = path.join(folder, "cache");
    await sha256File(target, { cacheFolder });
    await expect(stat(cacheFolder)).rejects.toThrow("ENOENT");
  });

  test("survives a spoilt cache entry", async () => {
    const target = await file("a", "abc");
    const cacheFolder = path.join(folder, "cache");
    await sha256File(target, { cacheFolder });
    const [entry] = await readdir(path.join(cacheFolder, "sha256"));
    const entryPath = path.join(cacheFolder, "sha256", entry ?? "");
    const good = await readFile(entryPath, "utf8");
    await writeFile(entryPath, good.slice(0, 20));
    expect(await sha256File(target, { cacheFolder })).toBe(sha256("abc"));
    expect(await readFile(entryPath, "utf8")).toBe(good);
  });

  test("stops when it is cancelled", async () => {
    const target = await file("a", "abc");
    const signal = AbortSignal.abort();
    await expect(sha256File(target, { signal })).rejects.toThrow(/abort/i);
  });
});

test("the hash of a folder is what sha256sum prints for its files", async () => {
  await file("config.json", "{}");
  await file("model-2.safetensors", "two");
  await file("model-10.safetensors", "ten");
  await file(".hidden", "not counted");
  await file("README.md", "left out by choice");
  const expected = execFileSync(
    "sh",
    ["-c", "LC_ALL=C sha256sum *.json *.safetensors | sha256sum | cut -c1-64"],
    { cwd: folder, encoding: "utf8" },
  ).trim();
  expect(await sha256Folder(folder, { include: (name) => name !== "README.md" })).toBe(expected);
});
