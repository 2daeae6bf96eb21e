/** Texts as vectors: the mean over their tokens of what the last norm gives. */
import type { Prompt } from "../../generate/language-model.ts";
import type { AdapterFiles } from "./model-host.ts";
import type { OperationContext } from "./operations.ts";

interface EmbedArguments {
  texts: readonly Prompt[];
  /** The first so many values, scaled to length 1 again; all of them by default. */
  dimensions: number | undefined;
  adapter: AdapterFiles | null;
}

/** Vectors of length 1. A text is read by itself, so that its vector does not depend on the others. */
export async function embed(
  { texts, dimensions, adapter }: EmbedArguments,
  { host, signal }: OperationContext,
): Promise<{ vectors: Float32Array[]; tokens: number }> {
  const name = await host.adapterName(adapter);
  const vectors: Float32Array[] = [];
  let tokens = 0;
  for (const text of texts) {
    const run = await host.model.run([host.model.promptIds(text)], {
      capture: [{ at: "ln_final.hook_normalized", reduce: "mean", as: "mean" }],
      ...{ adapter: name, signal },
    });
    vectors.push(unit(run.get("mean").values.subarray(0, dimensions))); // [1, D]
    tokens += run.ids[0]?.length ?? 0;
  }
  return { vectors, tokens };
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((x) => (length === 0 ? 0 : x / length));
}
