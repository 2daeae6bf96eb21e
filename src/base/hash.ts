/**
 * SHA-256 of files and folders. Every result names the model and the data by hash; hashing 3 GB takes seconds, so the
 * hash of an unchanged file (same path, size, modification time and inode) is kept under `cache/sha256/`.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "./atomic.ts";
import { LabError } from "./errors.ts";

export interface HashOptions {
  /** `PHILAB_HOME/cache`; without it nothing is remembered. */
  cacheFolder?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the bytes read so far of this file. */
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

const rememberedSchema = z.object({
  path: z.string(),
  sizeBytes: z.number(),
  modifiedNs: z.string(),
  inode: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
type Remembered = z.output<typeof rememberedSchema>;

/** A file written this recently may change again within one tick of the file system's clock: not remembered. */
const SETTLED_MS = 2_000;

/**
 * The SHA-256 of a file, as 64 hexadecimal digits, read in pieces.
 * Throws `not_found`, `interrupted`, and `bad_input` where the file changes while it is read.
 */
export async function sha256File(file: string, options: HashOptions = {}): Promise<string> {
  const absolute = path.resolve(file);
  const before = await identify(absolute);
  const { cacheFolder } = options;
  const entry = cacheFolder === undefined ? undefined : cacheEntry(cacheFolder, absolute);
  const remembered = entry === undefined ? undefined : await recall(entry);
  if (remembered && isSame(remembered, before)) return remembered.sha256;

  const startedMs = Date.now();
  const sha256 = await digest(absolute, before.sizeBytes, options);
  const after = await identify(absolute);
  if (!isSame(before, after))
    throw new LabError("bad_input", `${file} changed while it was being read`, {
      hint: "Wait until whatever writes it has finished, then try again.",
    });
  const settled = startedMs - Number(BigInt(before.modifiedNs) / 1_000_000n) > SETTLED_MS;
  if (entry !== undefined && settled) {
    await mkdir(path.dirname(entry), { recursive: true });
    await writeTextAtomic(entry, JSON.stringify({ ...before, sha256 } satisfies Remembered));
  }
  return sha256;
}

/**
 * One hash for a folder: of the lines `<sha256>  <name>` of its files in order of their names' bytes, as
 * `sha256sum * | sha256sum` prints it. Folders inside it and hidden files are left out; `include` chooses among the rest.
 */
export async function sha256Folder(
  folder: string,
  { include = () => true, ...options }: HashOptions & { include?: (name: string) => boolean } = {},
): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(".") && include(entry.name))
    .map((entry) => entry.name)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const sum = createHash("sha256");
  for (const name of names)
    sum.update(`${await sha256File(path.join(folder, name), options)}  ${name}\n`);
  return sum.digest("hex");
}

/** The SHA-256 of bytes or of a text's UTF-8, as 64 hexadecimal digits. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

async function digest(
  file: string,
  totalBytes: number,
  { signal, onProgress }: HashOptions,
): Promise<string> {
  const sum = createHash("sha256");
  let doneBytes = 0;
  const stream = createReadStream(file, { highWaterMark: 1 << 20, signal });
  for await (const piece of stream as AsyncIterable<Buffer>) {
    sum.update(piece);
    doneBytes += piece.length;
    onProgress?.(doneBytes, totalBytes);
  }
  return sum.digest("hex");
}

async function identify(file: string): Promise<Omit<Remembered, "sha256">> {
  const found = await stat(file, { bigint: true });
  return {
    path: file,
    sizeBytes: Number(found.size),
    modifiedNs: String(found.mtimeNs),
    inode: String(found.ino),
  };
}

function isSame(a: Omit<Remembered, "sha256">, b: Omit<Remembered, "sha256">): boolean {
  return (
    a.path === b.path &&
    a.sizeBytes === b.sizeBytes &&
    a.modifiedNs === b.modifiedNs &&
    a.inode === b.inode
  );
}

function cacheEntry(cacheFolder: string, absolutePath: string): string {
  return path.join(cacheFolder, "sha256", `${sha256(absolutePath).slice(0, 32)}.json`);
}

/** What was remembered; a missing or unreadable entry only means that the file is hashed again. */
async function recall(entry: string): Promise<Remembered | undefined> {
  const text = await readFile(entry, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return rememberedSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
