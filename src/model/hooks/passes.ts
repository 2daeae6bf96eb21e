/** The last few passes with their graphs, so that asking for the same again costs no building. */
import type { PlannedCapture } from "./capture.ts";
import {
  layOut,
  Pass,
  type LaidOutRequest,
  type PassModel,
  type PassRequest,
  type PassResult,
} from "./pass.ts";

/** Passes kept, and the bytes of their values at most; the last one may be larger. */
const KEPT = { passes: 8, sizeBytes: 2 ** 28, lastBytes: 2 ** 30 };

export class Passes implements Disposable {
  /** By what they compute, the one that was used last at the end. */
  readonly #kept = new Map<string, { pass: Pass; owner: object }>();
  readonly #numbers = new WeakMap<object, number>();
  #next = 0;

  /** @param owner - what the weights belong to: a pass serves the same owner only */
  async run(
    owner: object,
    model: PassModel,
    request: PassRequest,
    options: { signal?: AbortSignal },
  ): Promise<PassResult> {
    const laidOut = layOut(request, model.config);
    const key = `${this.#numberOf(owner)} ${keyOf(laidOut)}`;
    const pass = this.#kept.get(key)?.pass ?? new Pass(model, laidOut);
    this.#kept.delete(key);
    this.#kept.set(key, { pass, owner });
    try {
      return await pass.run(laidOut, options);
    } finally {
      this.#trim();
    }
  }

  /** Frees what was kept for an owner whose weights are about to go. */
  forget(owner: object): void {
    for (const [key, kept] of this.#kept) if (kept.owner === owner) this.#drop(key);
  }

  #trim(): void {
    let sizeBytes = 0;
    for (const [i, [key, { pass }]] of [...this.#kept].reverse().entries()) {
      sizeBytes += pass.sizeBytes;
      const limit = i === 0 ? KEPT.lastBytes : KEPT.sizeBytes;
      if (i >= KEPT.passes || sizeBytes > limit) this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#kept.get(key)?.pass[Symbol.dispose]();
    this.#kept.delete(key);
  }

  #numberOf(owner: object): number {
    const number = this.#numbers.get(owner) ?? this.#next++;
    this.#numbers.set(owner, number);
    return number;
  }

  [Symbol.dispose](): void {
    for (const key of this.#kept.keys()) this.#drop(key);
  }
}

/** Everything that the graph of a request depends on: not its ids, nor the numbers of directions and edits. */
function keyOf({ prompts, captures, cells, metric, gradients }: LaidOutRequest): string {
  const form = ({ name, hook, selected, heads, units, reduce }: PlannedCapture): unknown[] => [
    name,
    hook,
    selected,
    heads,
    units,
    typeof reduce === "object" && "project" in reduce ? reduce.project.length : reduce,
  ];
  return JSON.stringify([
    prompts.map((ids) => ids.length),
    captures.map(form),
    cells.form,
    metric && [metric.kind, metric.positions],
    gradients.map(form),
  ]);
}
