/** A circuit as a file: its edges by name, with what they do, and all that it takes to find it again. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { edgeName, edgeOf, type CircuitGraph } from "./graph.ts";

const circuitSchema = z.looseObject({
  schema: z.literal(1),
  model: z.object({ name: z.string(), sha256: z.string() }),
  method: z.string(),
  /** What it was found on: a task with its seed, or a pair of prompts' ids. */
  task: z.string().nullable(),
  seed: z.int().nullable(),
  pairs: z.int().min(1),
  /** Of all edges of the model. */
  total: z.int().min(1),
  /** By the size of what they do; `effect` is null where the method gives none. */
  edges: z.array(z.object({ edge: z.string(), effect: z.number().nullable() })),
});
export type CircuitFile = z.output<typeof circuitSchema>;

/** The edges of a circuit with their effects, the strongest first. */
export function listEdges(
  graph: CircuitGraph,
  kept: Uint8Array,
  effects: ArrayLike<number> | undefined,
): CircuitFile["edges"] {
  return [...kept.keys()]
    .filter((edge) => kept[edge] !== 0)
    .map((edge) => ({ edge: edgeName(graph, edge), effect: effects?.[edge] ?? null }))
    .sort((a, b) => Math.abs(b.effect ?? 0) - Math.abs(a.effect ?? 0));
}

/** Writes a circuit whole or not at all. */
export async function saveCircuit(file: string, circuit: CircuitFile): Promise<void> {
  await writeTextAtomic(file, `${toJson(circuit, 2)}\n`);
}

/** @throws LabError `not_found`, `corrupt_file` */
export async function readCircuit(file: string): Promise<CircuitFile> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LabError("corrupt_file", `${file} is no JSON: ${(error as Error).message}`);
  }
  const parsed = circuitSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LabError(
    "corrupt_file",
    `${file} is no circuit: ${issue?.path.join(".")}: ${issue?.message}`,
  );
}

/**
 * The edges of a file in a model's graph, and their effects.
 *
 * @throws LabError `bad_input` for edges that this model does not have
 */
export function edgesOf(
  { model: made, edges, total }: Pick<CircuitFile, "model" | "edges" | "total">,
  graph: CircuitGraph,
  model: Pick<LanguageModel, "fingerprint">,
): { kept: Uint8Array; effects: Float64Array; sameModel: boolean } {
  if (total !== graph.edges)
    throw new LabError(
      "bad_input",
      `the circuit is of a model with ${total} edges; this one has ${graph.edges}`,
      {
        hint: `It was found in ${made.name}.`,
      },
    );
  const kept = new Uint8Array(graph.edges);
  const effects = new Float64Array(graph.edges);
  for (const [i, { edge, effect }] of edges.entries()) {
    const at = edgeOf(graph, edge);
    kept[at] = 1;
    // Without effects the order of the file stands for them.
    effects[at] = effect ?? edges.length - i;
  }
  return { kept, effects, sameModel: made.sha256 === model.fingerprint() };
}
