/** What names a model in results: a hash that needs no reading of the whole file. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { Checkpoint } from "../checkpoint/index.ts";
import type { PhiConfig } from "../model/config.ts";

/** Bytes that are hashed at the beginning and at the end of every tensor. */
const EDGE_BYTES = 4096;

/**
 * SHA-256 (hexadecimal) of a configuration and of every tensor's name, type, shape, and first and last 4 KiB. Training
 * changes all of them; a change of few bytes in the middle of a tensor goes unnoticed, so this is no check of integrity.
 */
export function fingerprintOf(config: PhiConfig, { tensors }: Checkpoint): string {
  const hash = createHash("sha256").update(JSON.stringify(config));
  const files = new Map<string, number>();
  try {
    for (const { name, dtype, shape, file, offset, sizeBytes } of tensors.values()) {
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
