/** A model or an adapter of a person's own, in the store. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { writeFileAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { openCheckpoint } from "../checkpoint/index.ts";
import { openAdapter } from "../model/adapter-file.ts";
import { modelConfigFromCheckpoint } from "../model/model-config.ts";
import { Store, type Manifest, type StoredFile } from "./store.ts";

export interface ImportOptions {
  /** `PHILAB_HOME/models` or `…/adapters`. */
  folder: string;
  name: string;
  licence?: string | undefined;
  /** What it was made of and how. */
  lineage?: Manifest["lineage"];
  replace?: boolean;
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

const PICKLES = /\.(bin|pt|pth|pkl|ckpt)$/i;
const NAME = /^[a-z0-9][a-z0-9._-]{0,95}$/;

/**
 * Copies a file or a directory into the store, after a look at its headers.
 *
 * @returns the folder, and files of the directory that were left out: folders and pickles
 * @throws LabError what opening it throws, `bad_input` for a name that is none or is taken, `disk_full`
 */
export async function importFiles(
  from: string,
  { folder, name, licence, lineage = [], replace = false, signal, onProgress }: ImportOptions,
): Promise<{ folder: string; files: StoredFile[]; leftOut: string[] }> {
  if (!NAME.test(name))
    throw new LabError("bad_input", `${JSON.stringify(name)} is no name for the store`, {
      hint: "Lower case letters, digits, dots, dashes.",
    });
  await assertUsable(from);
  const isFile = (await stat(from)).isFile();
  const entries = isFile ? [] : await readdir(from, { withFileTypes: true });
  const usable = entries.filter(
    (entry) => !entry.isDirectory() && !PICKLES.test(entry.name) && !entry.name.startsWith("."),
  );
  const names = isFile ? [path.basename(from)] : usable.map((entry) => entry.name);
  const leftOut = entries.map((entry) => entry.name).filter((entry) => !names.includes(entry));
  const store = new Store(folder);
  const root = isFile ? path.dirname(from) : from;
  const sizes = await Promise.all(
    names.map(async (file) => (await stat(path.join(root, file))).size),
  );
  const totalBytes = sizes.reduce((a, b) => a + b, 0);
  let doneBytes = 0;
  const files: StoredFile[] = [];
  for (const [i, file] of names.entries()) {
    const incoming = await store.incoming(`${name}.${i}`);
    const hash = createHash("sha256");
    await writeFileAtomic(
      incoming,
      async (sink) => {
        const stream = createReadStream(path.join(root, file), { highWaterMark: 1 << 20 });
        for await (const piece of stream as AsyncIterable<Buffer>) {
          hash.update(piece);
          await sink.write(piece);
          onProgress?.((doneBytes += piece.length), totalBytes);
        }
      },
      { ...(signal === undefined ? {} : { signal }), sizeBytes: sizes[i] ?? 0 },
    );
    const sha256 = hash.digest("hex");
    await store.adopt(incoming, sha256);
    files.push({ path: file, sizeBytes: sizes[i] ?? 0, sha256 });
  }
  const target = store.folderOf(name);
  const about = licence === undefined ? {} : { licence };
  await store.add(target, { source: from, files, lineage, ...about }, { replace });
  return { folder: target, files, leftOut };
}

/** Whether a path is an adapter rather than a model. */
export async function isAdapter(from: string): Promise<boolean> {
  return stat(path.join(from, "adapter_config.json")).then(
    () => true,
    () => false,
  );
}

async function assertUsable(from: string): Promise<void> {
  if (await isAdapter(from)) await openAdapter(from);
  else modelConfigFromCheckpoint(await openCheckpoint(from));
}
