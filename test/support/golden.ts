/** Reference values made by other programs: `test/fixtures`, read with philab's own readers. */
import { readFileSync } from "node:fs";
import { openCheckpoint, readTensor } from "../../src/checkpoint/index.ts";
import { dequantizeRows } from "../../src/engine/quantize.ts";

export function fixture(name: string): string {
  return new URL(`../fixtures/${name}`, import.meta.url).pathname;
}

export function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(fixture(name), "utf8")) as T;
}

/** All tensors of a safetensors file as f32. */
export async function readTensors(
  path: string,
): Promise<Map<string, { shape: readonly number[]; values: Float32Array }>> {
  const { tensors } = await openCheckpoint(path);
  const found = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  for (const [name, entry] of tensors) {
    const count = entry.shape.reduce((a, b) => a * b, 1);
    const values = dequantizeRows(entry.dtype, await readTensor(entry), count);
    found.set(name, { shape: entry.shape, values });
  }
  return found;
}

/** Largest absolute difference; equal infinities differ by nothing. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    if (x !== y && !(Math.abs(x - y) <= worst)) worst = Math.abs(x - y);
  }
  return worst;
}
