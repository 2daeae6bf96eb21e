/** Opens whatever a person points at: a model directory, a .safetensors file or a .gguf file. */
import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { LabError } from "../base/errors.ts";
import { corrupt, MAX_HEADER_BYTES } from "./corrupt.ts";
import { openGguf } from "./gguf.ts";
import { parseStrictJson } from "./json.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import type { Checkpoint, GgufCheckpoint, SafetensorsCheckpoint, TensorEntry } from "./types.ts";

export const SINGLE_FILE = "model.safetensors";
export const INDEX_FILE = "model.safetensors.index.json";
export const CONFIG_FILE = "config.json";

/**
 * Reads the headers of a checkpoint; no tensor is read yet.
 *
 * @param path - a directory with `model.safetensors`, with its sharded form and index, or with a single GGUF file;
 *   or one of those files
 * @throws LabError `not_found`, `corrupt_file`, `unsupported`, or `bad_input` where several files could be meant
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return await openDirectory(path);
    if (isPickle(path)) throw refusePickle(path);
    if (path.endsWith(".gguf")) return openGgufCheckpoint(path, path);
    if (path.endsWith(".safetensors")) return await openSingle(path, path);
    if (path.endsWith(".index.json")) return await openSharded(path, path);
    throw new LabError("unsupported", `${path} is no checkpoint that philab knows by its name`, {
      hint: "Give a model directory, a .safetensors file or a .gguf file.",
    });
  } catch (error) {
    throw LabError.from(error);
  }
}

/**
 * Bytes of one tensor as they lie in the file.
 *
 * @param range - part of them, in bytes from the tensor's start; absent = all
 * @throws LabError `corrupt_file` where the file has become shorter since it was opened
 */
export async function readTensor(
  entry: TensorEntry,
  range: { start: number; end: number } = { start: 0, end: entry.sizeBytes },
): Promise<Uint8Array> {
  const { start, end } = range;
  if (!(start >= 0 && start <= end && end <= entry.sizeBytes))
    throw new LabError(
      "bad_input",
      `bytes ${start} to ${end} are not within the ${entry.sizeBytes} of ${entry.name}`,
    );
  const bytes = new Uint8Array(end - start);
  try {
    const handle = await open(entry.file, "r");
    try {
      for (let done = 0; done < bytes.length;) {
        const position = entry.offset + start + done;
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position);
        if (bytesRead === 0)
          throw corrupt(entry.file, `the file ends inside tensor "${entry.name}"`);
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw LabError.from(error);
  }
  return bytes;
}

async function openDirectory(path: string): Promise<Checkpoint> {
  const names = (await readdir(path)).sort();
  if (names.includes(INDEX_FILE)) return openSharded(path, join(path, INDEX_FILE));
  if (names.includes(SINGLE_FILE)) return openSingle(path, join(path, SINGLE_FILE));
  const candidates = names.filter(
    (name) =>
      name.endsWith(".safetensors") || (name.endsWith(".gguf") && !name.startsWith("mmproj")),
  );
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1)
    return only.endsWith(".gguf")
      ? openGgufCheckpoint(path, join(path, only))
      : openSingle(path, join(path, only));
  if (candidates.length > 1)
    throw new LabError("bad_input", `${path} holds several checkpoints: ${candidates.join(", ")}`, {
      hint: `Name one of them. A model in several files needs ${INDEX_FILE} beside them.`,
    });
  const pickle = names.find(isPickle);
  if (pickle !== undefined) throw refusePickle(join(path, pickle));
  throw new LabError("not_found", `${path} holds no checkpoint`, {
    hint: `Expected ${SINGLE_FILE}, ${INDEX_FILE} or a .gguf file.`,
  });
}

function isPickle(name: string): boolean {
  return /\.(bin|bin\.index\.json|pt|pth|ckpt)$/.test(name);
}

/** Unpickling runs code from the file, so philab never does it. */
function refusePickle(path: string): LabError {
  const name = basename(path);
  const files = name.startsWith("pytorch_model") ? "pytorch_model*.bin" : name;
  return new LabError(
    "unsupported",
    `${path} is a Python pickle, which can run code when it is read`,
    {
      hint:
        `Convert it in ${dirname(path)}: python -c "import glob, torch; from safetensors.torch import save_file; ` +
        `save_file({k: v.clone() for f in glob.glob('${files}') for k, v in ` +
        `torch.load(f, map_location='cpu', weights_only=True).items()}, '${SINGLE_FILE}')"`,
    },
  );
}

function openGgufCheckpoint(path: string, file: string): GgufCheckpoint {
  const { tensors, metadata } = openGguf(file);
  return { format: "gguf", path, tensors, metadata };
}

async function openSingle(path: string, file: string): Promise<SafetensorsCheckpoint> {
  const config = await readConfig(dirname(file));
  return { format: "safetensors", path, ...(await openSafetensors(file)), ...config };
}

async function openSharded(path: string, indexFile: string): Promise<SafetensorsCheckpoint> {
  const directory = dirname(resolve(indexFile));
  const shardOf = readWeightMap(indexFile, await readJson(indexFile));
  const shards = new Map<string, SafetensorsFile>();
  for (const shard of new Set(shardOf.values()))
    shards.set(shard, await openShard(indexFile, join(directory, shard)));
  const merged = {
    tensors: new Map<string, TensorEntry>(),
    otherTensors: new Map<string, string>(),
    metadata: new Map<string, string>(),
  };
  for (const [shard, { tensors, otherTensors, metadata }] of shards) {
    for (const name of [...tensors.keys(), ...otherTensors.keys()])
      if (shardOf.get(name) !== shard)
        throw corrupt(indexFile, `tensor "${name}" lies in ${shard}, but is not listed there`);
    tensors.forEach((entry, name) => merged.tensors.set(name, entry));
    otherTensors.forEach((type, name) => merged.otherTensors.set(name, type));
    metadata.forEach((value, key) => merged.metadata.set(key, value));
  }
  for (const [name, shard] of shardOf)
    if (!merged.tensors.has(name) && !merged.otherTensors.has(name))
      throw corrupt(indexFile, `tensor "${name}" is listed, but ${shard} does not hold it`);
  return { format: "safetensors", path, ...merged, ...(await readConfig(directory)) };
}

async function openShard(indexFile: string, file: string): Promise<SafetensorsFile> {
  try {
    return await openSafetensors(file);
  } catch (error) {
    if (error instanceof LabError && error.code === "not_found")
      throw corrupt(indexFile, `the part ${file} is missing`);
    throw error;
  }
}

/** Tensor → file name. Names must stay in the index's own directory. */
function readWeightMap(indexFile: string, index: unknown): Map<string, string> {
  const weights: unknown = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof weights !== "object" || weights === null || Array.isArray(weights))
    throw corrupt(indexFile, "the index has no weight_map");
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(weights)) {
    if (typeof shard !== "string" || !/^[^/\\:\0]+\.safetensors$/.test(shard))
      throw corrupt(indexFile, `tensor "${name}" lies in ${JSON.stringify(shard)}, no file name`);
    shardOf.set(name, shard);
  }
  if (shardOf.size === 0) throw corrupt(indexFile, "the index lists no tensors");
  return shardOf;
}

async function readConfig(directory: string): Promise<{ config?: unknown }> {
  const file = join(directory, CONFIG_FILE);
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  return exists ? { config: await readJson(file) } : {};
}

/** A JSON file of bounded size that names no key twice. */
async function readJson(file: string): Promise<unknown> {
  const { size } = await stat(file);
  if (size > MAX_HEADER_BYTES)
    throw corrupt(file, `${size} bytes are too many; ${MAX_HEADER_BYTES} are allowed`);
  const text = await readFile(file, "utf8");
  try {
    return parseStrictJson(text, { maxDepth: 32, maxContainers: 3_000_000 });
  } catch (error) {
    throw corrupt(file, `no valid JSON: ${(error as Error).message}`);
  }
}
