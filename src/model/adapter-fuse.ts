/**
 * Adapters of queries, keys and values as one adapter of the matrix that holds all three (`attn_qkv` of GGUF files, which
 * llama.cpp adapts as a whole): the rows of all A below each other, and each B in its own rows and columns, zeros around.
 */
import type { LowRankSource, LowRankValues } from "./adapter-source.ts";
import type { PhiConfig } from "./config.ts";

const PARTS = ["q_proj", "k_proj", "v_proj"];

/** The modules of an adapter, `…self_attn.qkv_proj` in place of the three. */
export function fuseProjections(
  modules: ReadonlyMap<string, LowRankSource>,
  { layers, width }: PhiConfig,
): Map<string, LowRankSource> {
  const fused = new Map(modules);
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}.self_attn`;
    const parts = PARTS.map((part) => modules.get(`${at}.${part}`));
    if (parts.every((part) => part === undefined)) continue;
    for (const part of PARTS) fused.delete(`${at}.${part}`);
    const name = `${at}.qkv_proj`;
    fused.set(name, {
      module: { name, outputs: PARTS.length * width, inputs: width },
      rank: parts.reduce((sum, part) => sum + (part?.rank ?? 0), 0),
      scale: 1,
      read: () => stack(parts, width),
    });
  }
  return fused;
}

/** D = `width`, r the sum of the ranks. The scales go into B. */
async function stack(
  parts: readonly (LowRankSource | undefined)[],
  width: number,
): Promise<LowRankValues> {
  const rank = parts.reduce((sum, part) => sum + (part?.rank ?? 0), 0);
  const a = new Float32Array(rank * width); // [r, D]
  const b = new Float32Array(parts.length * width * rank); // [3·D, r]
  let column = 0;
  for (const [i, part] of parts.entries()) {
    if (part === undefined) continue;
    const values = await part.read();
    a.set(values.a, column * width);
    for (let row = 0; row < width; row++)
      for (let k = 0; k < part.rank; k++)
        b[(i * width + row) * rank + column + k] =
          part.scale * (values.b[row * part.rank + k] as number);
    column += part.rank;
  }
  return { a, b };
}
