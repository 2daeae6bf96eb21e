/** What the head would say of rows that are not the last stream: final LayerNorm and head, in the engine. */
import type { LanguageModel } from "../generate/language-model.ts";
import { unembed } from "../model/forward.ts";
import { Graph } from "../tensor/graph.ts";

/** Rows that are computed together: their logits are what takes memory. */
const ROWS_AT_ONCE = 64;

/**
 * Logits of stream rows, one after another; ids behind the tokenizer's last token are left out.
 *
 * @param streams - `[R, D]`
 * @param onRow - is given each row's logits, which it must not keep
 */
export async function readStreams(
  model: LanguageModel,
  streams: Float32Array,
  onRow: (row: number, logits: Float32Array) => void,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { width, vocabSize } = model.config;
  const words = model.hasTokenizer ? model.tokenizer.vocabSize : vocabSize;
  const total = streams.length / width;
  const rows = Math.min(total, ROWS_AT_ONCE);
  // The engine computes one graph at a time: this one waits its turn.
  await model.runnerFor().lend(async ({ backend, config, weights }) => {
    using graph = new Graph(backend, { maxNodes: 64 });
    const x = graph.input("f32", [rows, width], "streams");
    const logits = unembed(weights, config, x); // [R, V]
    graph.output(logits);
    graph.allocate();
    for (let start = 0; start < total; start += rows) {
      const count = Math.min(rows, total - start);
      const values = new Float32Array(rows * width);
      values.set(streams.subarray(start * width, (start + count) * width));
      x.write(values);
      await graph.compute(signal === undefined ? {} : { signal });
      const read = logits.read();
      for (let row = 0; row < count; row++)
        onRow(start + row, read.subarray(row * vocabSize, row * vocabSize + words));
    }
  });
}
