/** Patterns of heads that were kept while a model was trained. */
import type { AttentionAt } from "./run.svelte.ts";

/** A head's shares `[T, T]`; heads are counted through all layers. */
export function patternOf({ tokens, values }: AttentionAt, head: number): Float32Array {
  const size = tokens.length ** 2;
  return Float32Array.from(values.subarray(head * size, (head + 1) * size), (byte) => byte / 255);
}

/** Heads by the share of attention that went elsewhere between the first and the last look, the most restless first. */
export function restless(looks: readonly AttentionAt[]): { head: number; change: number }[] {
  const [first] = looks;
  const last = looks.at(-1);
  if (first === undefined || last === undefined) return [];
  const count = first.layers * first.heads;
  return Array.from({ length: count }, (_, head) => {
    const [before, after] = [patternOf(first, head), patternOf(last, head)];
    const moved = before.reduce((sum, share, i) => sum + Math.abs(share - (after[i] ?? 0)), 0);
    return { head, change: moved / 2 / first.tokens.length };
  }).sort((a, b) => b.change - a.change);
}
