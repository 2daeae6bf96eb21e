import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withSmallDisk } from "../../test/support/small-disk.ts";
import {
  throwIfInterrupted,
  writeDirectoryAtomic,
  writeFileAtomic,
  writeTextAtomic,
} from "./atomic.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-atomic-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const bytes = (length: number, value = 7) => new Uint8Array(length).fill(value);

describe("writeFileAtomic", () => {
  it("writes all pieces in order and leaves nothing else", async () => {
    const path = join(directory, "a.bin");
    await writeFileAtomic(path, async (sink) => {
      await sink.write(bytes(3, 1));
      expect(sink.position).toBe(3);
      await sink.write(bytes(2, 2));
    });
    expect([...(await readFile(path))]).toEqual([1, 1, 1, 2, 2]);
    expect(await readdir(directory)).toEqual(["a.bin"]);
  });

  it("keeps the old file, and nothing of the new one, when writing fails half-way", async () => {
    const path = join(directory, "a.txt");
    await writeTextAtomic(path, "old");
    const failing = writeFileAtomic(path, async (sink) => {
      await sink.write(bytes(100_000));
      throw new Error("the source broke");
    });
    await expect(failing).rejects.toThrow("the source broke");
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(directory)).toEqual(["a.txt"]);
  });

  it("ends with `interrupted` wherever it is aborted", async () => {
    for (const abortAt of [0, 1, 2, 3, 4]) {
      const controller = new AbortController();
      const abortIf = (step: number) => {
        if (step === abortAt) controller.abort();
      };
      const path = join(directory, "a.bin");
      abortIf(0);
      const writing = writeFileAtomic(
        path,
        async (sink) => {
          for (const step of [1, 2, 3]) {
            abortIf(step);
            await sink.write(bytes(10));
          }
          abortIf(4);
        },
        { signal: controller.signal },
      );
      await expect(writing).rejects.toMatchObject({ code: "interrupted" });
      expect(await readdir(directory)).toEqual([]);
    }
  });

  it("tells of a full disk by the name that was asked for", async () => {
    const path = join(directory, "a.bin");
    const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write" });
    await expect(writeFileAtomic(path, () => Promise.reject(full))).rejects.toMatchObject({
      code: "disk_full",
      message: `no space left on the device: ${path}`,
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it("refuses at once what the disk cannot hold", async () => {
    let asked = false;
    const writing = writeFileAtomic(
      join(directory, "a.bin"),
      async () => {
        asked = true;
      },
      { sizeBytes: 1e18 },
    );
    await expect(writing).rejects.toMatchObject({ code: "disk_full" });
    expect(asked).toBe(false);
  });

  it("names a directory that does not exist", async () => {
    const path = join(directory, "missing", "a.bin");
    await expect(writeTextAtomic(path, "x")).rejects.toMatchObject({
      code: "not_found",
      message: `no such directory: ${join(directory, "missing")}`,
    });
  });

  it("leaves nothing when the process ends in the middle", async () => {
    const compiled = join(directory, "compiled");
    const output = join(directory, "output");
    await mkdir(output);
    await compile(compiled, ["atomic", "errors"]);
    const script = `
      import { writeFileAtomic } from "./atomic.js";
      await writeFileAtomic(${JSON.stringify(join(output, "a.bin"))}, async (sink) => {
        await sink.write(new Uint8Array(1000));
        process.exit(5);
      });`;
    await writeFile(join(compiled, "main.js"), script);
    const { status } = spawnSync(process.execPath, [join(compiled, "main.js")]);
    expect(status).toBe(5);
    expect(await readdir(output)).toEqual([]);
  });

  it("leaves nothing on a disk that becomes full", async ({ skip }) => {
    const small = join(directory, "small");
    const mounted = await withSmallDisk(small, 2 ** 20, async () => {
      const writing = writeFileAtomic(join(small, "a.bin"), async (sink) => {
        for (let i = 0; i < 64; i++) await sink.write(bytes(65_536));
      });
      await expect(writing).rejects.toMatchObject({ code: "disk_full" });
      expect(await readdir(small)).toEqual([]);
    });
    if (!mounted) skip("no right to mount a file system here");
  });
});

/** Modules of this folder as JavaScript that a child process can run. */
async function compile(into: string, names: string[]): Promise<void> {
  await mkdir(into);
  await writeFile(join(into, "package.json"), '{"type":"module"}');
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
    rewriteRelativeImportExtensions: true,
  };
  for (const name of names) {
    const source = await readFile(join(import.meta.dirname, `${name}.ts`), "utf8");
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    await writeFile(join(into, `${name}.js`), outputText);
  }
}

describe("writeDirectoryAtomic", () => {
  const fill = async (inside: string) => {
    await writeTextAtomic(join(inside, "a.txt"), "new");
  };

  it("makes the whole directory appear at once", async () => {
    const path = join(directory, "model");
    await writeDirectoryAtomic(path, async (inside) => {
      await fill(inside);
      expect(await readdir(directory)).not.toContain("model");
    });
    expect(await readdir(path)).toEqual(["a.txt"]);
    expect(await readdir(directory)).toEqual(["model"]);
  });

  it("leaves nothing behind when it fails", async () => {
    const failing = writeDirectoryAtomic(join(directory, "model"), async (inside) => {
      await fill(inside);
      throw new Error("stop");
    });
    await expect(failing).rejects.toThrow("stop");
    expect(await readdir(directory)).toEqual([]);
  });

  it("takes the place of an empty directory, and of a full one only when told to", async () => {
    const path = join(directory, "model");
    await mkdir(path);
    await writeDirectoryAtomic(path, fill);
    await writeFile(join(path, "old.txt"), "old");
    await expect(writeDirectoryAtomic(path, fill)).rejects.toMatchObject({
      code: "bad_input",
      message: `${path} exists already`,
    });
    expect((await readdir(path)).sort()).toEqual(["a.txt", "old.txt"]);
    await writeDirectoryAtomic(path, fill, { replace: true });
    expect(await readdir(path)).toEqual(["a.txt"]);
    expect(await readdir(directory)).toEqual(["model"]);
  });

  it("does not replace a file", async () => {
    const path = join(directory, "model");
    await writeTextAtomic(path, "I am a file");
    const writing = writeDirectoryAtomic(path, fill, { replace: true });
    await expect(writing).rejects.toMatchObject({ code: "bad_input" });
  });
});

describe("throwIfInterrupted", () => {
  it("throws only once the signal is aborted", () => {
    throwIfInterrupted(undefined);
    throwIfInterrupted(new AbortController().signal);
    expect(() => throwIfInterrupted(AbortSignal.abort())).toThrow("interrupted");
  });
});
