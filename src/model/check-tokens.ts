/** What is checked before tokens reach the engine: ggml ends the process for a row or a cell that is not there. */
import { LabError } from "../base/errors.ts";
import type { CachedTokens } from "./cached-tokens.ts";
import type { ModelConfig } from "./model-config.ts";

export function checkTokens(
  { ids, positions, cells, cache, logits }: CachedTokens,
  config: ModelConfig,
): void {
  checkIds(ids, config);
  const isIndex = (i: number): boolean => Number.isInteger(i) && i >= 0;
  if (![...positions, ...cells].every(isIndex) || cells.length !== ids.length)
    throw new LabError("internal", "internal: each token needs a position and a cell, from 0");
  if (!logits.every((row) => isIndex(row) && row < ids.length))
    throw new LabError("internal", `internal: logits of a token beyond the ${ids.length} given`);
  checkPosition(Math.max(...positions), config);
  if (Math.max(...cells) >= cache.capacity)
    throw new LabError("too_long", `the cache holds ${cache.capacity} tokens`);
}

export function checkIds(ids: readonly number[], { vocabSize }: ModelConfig): void {
  if (ids.length === 0) throw new LabError("bad_input", "a forward pass over no tokens");
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined)
    throw new LabError("bad_input", `token id ${wrong} is not in 0…${vocabSize - 1}`);
}

export function checkPosition(last: number, { contextLength }: ModelConfig): void {
  if (last >= contextLength)
    throw new LabError(
      "too_long",
      `position ${last} is outside the context of ${contextLength} tokens`,
    );
}
