/**
 * A number for each prompt, made of its logits: what is patched, attributed and differentiated. B prompts, V vocabulary.
 */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { checkObject } from "../../base/schema.ts";
import type { Graph } from "../../tensor/graph.ts";
import {
  neg,
  outerProduct,
  reshape,
  sub,
  takeAlong,
  takeRows,
  tokenLogProbs,
} from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { resolvePositions } from "./rows.ts";

const id = z.int().min(0);
/** One for all prompts, or one for each. */
const ids = z.union([id, z.array(id).min(1).readonly()]);
/** Where it is read, negative positions from the end of the prompt; by default after the last token. */
const position = z.int().default(-1);

export const metricSchema = z.discriminatedUnion("kind", [
  /** The logit of `token`. */
  z.strictObject({ kind: z.literal("logit"), token: ids, position }),
  /** The logit of `right` less that of `wrong`. */
  z.strictObject({ kind: z.literal("logitDifference"), right: ids, wrong: ids, position }),
  /** The logarithm of the probability of `token`. */
  z.strictObject({ kind: z.literal("logProb"), token: ids, position }),
  /** The mean of −log p over the tokens of the prompt from position `from` on: all but its first by default. */
  z.strictObject({ kind: z.literal("loss"), from: z.int().default(1) }),
]);
export type Metric = z.input<typeof metricSchema>;

/** A metric of prompts that are known. */
export interface PlannedMetric {
  kind: Metric["kind"];
  /** The positions whose logits it reads, of each prompt. */
  positions: readonly (readonly number[])[];
  /** For each of those rows the token that counts, and the one that counts against it. */
  tokens: Int32Array;
  against: Int32Array;
  /** How much each row counts for its prompt. */
  shares: Float32Array;
}

/** @throws LabError `bad_input` for what is no metric, ids and positions that do not exist, and ids for other prompts */
export function planMetric(
  metric: Metric,
  prompts: readonly (readonly number[])[],
  vocabSize: number,
): PlannedMetric {
  const found = check(metric);
  const { kind } = found;
  const positions = prompts.map((prompt) => {
    if (found.kind !== "loss")
      return resolvePositions([found.position], prompt.length, "the metric");
    if (prompt.length < 2)
      throw new LabError("bad_input", "the loss of a prompt of one token: it predicts none");
    const [from = 0] = resolvePositions([found.from], prompt.length, "the loss");
    if (from === 0)
      throw new LabError("bad_input", "nothing stands before the first token to predict it from");
    return Array.from({ length: prompt.length - from }, (_, i) => from - 1 + i);
  });
  const each = (token: number | readonly number[], what: string): Int32Array => {
    const all = typeof token === "number" ? [token] : token;
    const list = all.length === 1 ? prompts.map(() => all[0] as number) : all;
    if (list.length !== prompts.length)
      throw new LabError(
        "bad_input",
        `${what} has ${list.length} ids for ${prompts.length} prompts`,
      );
    const wrong = list.find((id) => id >= vocabSize);
    if (wrong !== undefined)
      throw new LabError("bad_input", `token id ${wrong} is not in 0…${vocabSize - 1}`);
    return Int32Array.from(list);
  };
  const none = new Int32Array(0);
  const single = { kind, positions, against: none, shares: Float32Array.from(prompts, () => 1) };
  switch (found.kind) {
    case "logit":
    case "logProb":
      return { ...single, tokens: each(found.token, "token") };
    case "logitDifference":
      return { ...single, tokens: each(found.right, "right"), against: each(found.wrong, "wrong") };
    case "loss":
      return {
        ...single,
        tokens: Int32Array.from(
          prompts.flatMap((prompt, b) => positions[b]?.map((at) => prompt[at + 1] as number) ?? []),
        ),
        shares: Float32Array.from(positions.flatMap((list) => list.map(() => 1 / list.length))),
      };
  }
}

function check(metric: Metric): z.output<typeof metricSchema> {
  const option = metricSchema.options.find(({ shape }) => shape.kind.value === metric?.kind);
  if (option === undefined)
    throw new LabError("bad_input", `no metric is called ${JSON.stringify(metric?.kind)}`, {
      hint: `There are ${metricSchema.options.map(({ shape }) => shape.kind.value).join(", ")}.`,
    });
  return checkObject(option, metric, { what: "metric" });
}

/** Records a metric in a graph. */
export class MetricReader {
  /** One value for each prompt, `[B]`. */
  readonly values: Tensor;
  readonly #inputs: { rows: Tensor; tokens: Tensor; against: Tensor | undefined; shares: Tensor };

  /** @param logits - `[R, V]`, among whose rows are those of the metric */
  constructor(graph: Graph, logits: Tensor, { kind, positions, tokens, against }: PlannedMetric) {
    const [count, prompts] = [tokens.length, positions.length];
    const list = (n: number): Tensor => graph.input("i32", [n]);
    const shares = graph.input("f32", [count, prompts]);
    const inputs = { rows: list(count), tokens: list(count), shares };
    this.#inputs = { ...inputs, against: against.length === 0 ? undefined : list(count) };
    const read = takeRows(logits, inputs.rows); // [n, V]
    const column = (): Tensor => {
      if (kind === "logProb") return reshape(tokenLogProbs(read, inputs.tokens), [count, 1]);
      if (kind === "loss") return neg(reshape(tokenLogProbs(read, inputs.tokens), [count, 1]));
      const right = takeAlong(read, inputs.tokens);
      const wrong = this.#inputs.against;
      return wrong === undefined ? right : sub(right, takeAlong(read, wrong));
    };
    this.values = reshape(outerProduct(shares, column()), [prompts]); // [n, B]ᵀ·[n, 1]
    graph.output(this.values);
  }

  /** @param rowOf - where the logits of a token stand */
  write(planned: PlannedMetric, rowOf: (prompt: number, position: number) => number): void {
    const { positions, tokens, against, shares } = planned;
    const prompts = positions.length;
    const matrix = new Float32Array(shares.length * prompts);
    const rows: number[] = [];
    positions.forEach((list, b) => {
      for (const position of list) {
        matrix[rows.length * prompts + b] = shares[rows.length] as number;
        rows.push(rowOf(b, position));
      }
    });
    this.#inputs.rows.write(Int32Array.from(rows));
    this.#inputs.tokens.write(tokens);
    this.#inputs.against?.write(against);
    this.#inputs.shares.write(matrix);
  }
}
