/** What names a model in results: a hash that needs no reading of the whole file. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { Checkpoint, TensorEntry } from "../checkpoint/index.ts";
import type { StoredAdapter } from "../model/adapter-file.ts";
import type { ModelConfig } from "../model/model-config.ts";

/** Bytes that are hashed at the beginning and at the end of every tensor. */
const EDGE_BYTES = 4096;

/**
 * SHA-256 (hexadecimal) of a configuration and of every tensor's name, type, shape, and first and last 4 KiB. Training
 * changes all of them; a change of few bytes in the middle of a tensor goes unnoticed, so this is no check of integrity.
 */
export function fingerprintOf(config: ModelConfig, { tensors }: Checkpoint): string {
  return fingerprint(config, tensors.values());
}

/** The same of an adapter: its configuration, and every tensor with its scale. */
export function adapterFingerprint({ config, modules }: StoredAdapter): string {
  const found = [...modules.values()];
  const scales = found.map(({ scale }) => scale);
  return fingerprint(
    { ...config, scales },
    found.flatMap(({ a, b, magnitude }) => [a, b, ...(magnitude === undefined ? [] : [magnitude])]),
  );
}

function fingerprint(settings: object, tensors: Iterable<TensorEntry>): string {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  const files = new Map<string, number>();
  try {
    for (const { name, dtype, shape, file, offset, sizeBytes } of tensors) {
      const handle = files.get(file) ?? openSync(file, "r");
      files.set(file, handle);
      hash.update(`\n${name} ${dtype} ${shape.join("x")}\n`);
      const edge = Buffer.alloc(Math.min(EDGE_BYTES, sizeBytes));
      for (const at of [offset, offset + sizeBytes - edge.length])
        hash.update(edge.subarray(0, readSync(handle, edge, 0, edge.length, at)));
    }
  } finally {
    for (const handle of files.values()) closeSync(handle);
  }
  return hash.digest("hex");
}
