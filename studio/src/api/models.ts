/** Names under which models answer. */
import type { ModelList } from "./types.ts";

/** Every model, by itself and with each adapter; which fit is found when they are asked. */
export function modelNames({ data, adapters }: ModelList): string[] {
  return data.flatMap(({ id }) => [id, ...adapters.map((adapter) => `${id}+${adapter}`)]);
}
