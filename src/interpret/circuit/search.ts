/** The search for a circuit by any method, and as a job: the circuit's file with what it is worth. */
import path from "node:path";
import type { JsonObject } from "../../base/json.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { defineJob, type JobDefinition } from "../../jobs/job.ts";
import { pairsFor, type Pair } from "../pairs.ts";
import { CircuitModel } from "./circuit-model.ts";
import { acdc, checkCircuit, strongestEdges } from "./discover.ts";
import { edgeEffects } from "./edges.ts";
import { listEdges, saveCircuit, type CircuitFile } from "./file.ts";
import { connected } from "./graph.ts";
import { searchArguments, type SearchArguments } from "./search-options.ts";

export interface SearchOptions extends Pick<
  SearchArguments,
  "method" | "edges" | "threshold" | "steps" | "ablation"
> {
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The edges that are kept, one value for each, and what each does where the method says so. */
export async function searchCircuit(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  { method, edges, threshold, steps, ablation, signal, onProgress }: SearchOptions,
): Promise<{ kept: Uint8Array; effects: Float64Array | undefined }> {
  const watched = { signal, onProgress };
  if (method === "acdc") {
    const found = await acdc(circuit, pairs, { threshold, ablation, ...watched });
    return { kept: connected(circuit.graph, found), effects: undefined };
  }
  const effects = await edgeEffects(circuit, pairs, { method, steps, ...watched });
  return { kept: strongestEdges(circuit, effects, edges), effects };
}

/** Where a job leaves the circuit in its folder. */
export const CIRCUIT_FILE = "circuit.json";
const CONTROLS = 5;

type OpenedModel = AsyncDisposable & { model: LanguageModel; name: string };

/** @param openModel - which models there are is not known at this height */
export function circuitJob(
  openModel: (asked: SearchArguments) => Promise<OpenedModel>,
): JobDefinition<typeof searchArguments, JsonObject> {
  return defineJob({
    kind: "circuit",
    arguments: searchArguments,
    async run({ arguments: asked, folder, signal, progress, describe }) {
      await using opened = await openModel(asked);
      const { model, name } = opened;
      await describe({
        models: [{ reference: name, sha256: model.fingerprint() }],
        engine: model.backend.engineVersion,
      });
      const pairs = pairsFor(model, asked);
      using circuit = await CircuitModel.open(model);
      const onProgress = (done: number, total: number): void => progress(done, { total });
      const { kept, effects } = await searchCircuit(circuit, pairs, {
        ...{ ...asked, signal, onProgress },
      });
      const { ablation, seed } = asked;
      const check = await checkCircuit(circuit, pairs, kept, {
        ...{ ablation, seed, controls: CONTROLS, signal },
      });
      const edges = listEdges(circuit.graph, kept, effects);
      const file = circuitFile(asked, {
        ...{ edges, pairs: pairs.length, total: circuit.graph.edges },
        model: { name, sha256: model.fingerprint() },
      });
      await saveCircuit(path.join(folder, CIRCUIT_FILE), file);
      return { edges: edges.length, total: circuit.graph.edges, check: { ...check } };
    },
  });
}

/** A circuit with how it was found. */
export function circuitFile(
  { method, task, seed }: Pick<SearchArguments, "method" | "task" | "seed">,
  found: Pick<CircuitFile, "model" | "edges" | "pairs" | "total">,
): CircuitFile {
  return {
    ...{ schema: 1, method, task: task ?? null, seed: task === undefined ? null : seed },
    ...found,
  };
}
