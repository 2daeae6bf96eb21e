import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withSmallDisk } from "../../test/support/small-disk.ts";
import { AppendFile } from "./append-file.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "philab-append-"))));
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("data is added at the end, in order", async () => {
  const name = path.join(folder, "a.txt");
  writeFileSync(name, "a");
  const file = await AppendFile.open(name);
  file.append("b");
  file.append(Uint8Array.of(0x63));
  await file.flush();
  expect(readFileSync(name, "utf8")).toBe("abc");
  file.append("d");
  await file.close();
  expect(readFileSync(name, "utf8")).toBe("abcd");
});

test("a file that cannot be opened is an error with its name", async () => {
  await expect(AppendFile.open(path.join(folder, "no/a.txt"))).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringContaining("no/a.txt") as string,
  });
});

test("a full disk is told at the next line, and at the end", async ({ skip }) => {
  const disk = path.join(folder, "disk");
  const mounted = await withSmallDisk(disk, 64 << 10, async () => {
    const file = await AppendFile.open(path.join(disk, "a.txt"));
    file.append("x".repeat(60_000));
    await file.flush();
    file.append("x".repeat(60_000));
    await expect(file.flush()).rejects.toMatchObject({ code: "disk_full" });
    expect(() => {
      file.append("more");
    }).toThrow(expect.objectContaining({ code: "disk_full" }) as Error);
    await expect(file.close()).rejects.toMatchObject({ code: "disk_full" });
  });
  if (!mounted) skip("file systems cannot be mounted here");
});
