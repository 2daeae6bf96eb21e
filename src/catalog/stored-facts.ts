/** What the headers of a model's files say of it, in the words of a card. */
import { openCheckpoint } from "../checkpoint/index.ts";
import { keyValueHeadsOf, modelConfigFromCheckpoint } from "../model/model-config.ts";
import { countParameters } from "../model/parameters.ts";
import type { ModelCard } from "./cards.ts";

export type ModelFacts = Pick<ModelCard, "parameters" | "architecture">;

/** @param path - a directory, or a .gguf file */
export async function readModelFacts(path: string): Promise<ModelFacts> {
  const config = modelConfigFromCheckpoint(await openCheckpoint(path));
  const { layers, width, heads, mlpWidth, vocabSize, contextLength } = config;
  return {
    parameters: countParameters(config),
    architecture: {
      ...{ kind: config.architecture ?? "phi", layers, width, heads, mlpWidth },
      ...{ keyValueHeads: keyValueHeadsOf(config), vocabulary: vocabSize, context: contextLength },
    },
  };
}
