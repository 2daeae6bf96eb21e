/** The transcoders of a graph: at most one for each layer. */
import { LabError } from "../base/errors.ts";
import type { Transcoders } from "./attribution/graph.ts";
import type { Dictionary } from "./dictionary.ts";

/**
 * Dictionaries by the layer whose MLP they stand for.
 *
 * @param given - each with the name that it is known by
 * @throws LabError `bad_input` for what is no transcoder of an MLP, and for two of one layer
 */
export function transcodersByLayer(
  given: readonly { name: string; dictionary: Dictionary }[],
): Transcoders {
  const found = new Map<number, Dictionary>();
  for (const { name, dictionary } of given) {
    const layer = Number(/^blocks\.(\d+)\.hook_mlp_out$/.exec(dictionary.output)?.[1] ?? NaN);
    if (dictionary.kind !== "transcoder" || Number.isNaN(layer))
      throw new LabError(
        "bad_input",
        `${name} is no transcoder of an MLP, but of ${dictionary.output}`,
      );
    if (found.has(layer))
      throw new LabError("bad_input", `two transcoders of layer ${layer} were given`);
    found.set(layer, dictionary);
  }
  return found;
}
