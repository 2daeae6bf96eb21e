/** The direction of a behaviour: found or kept, what prompts have of it, and what edits with it write. */
import type { Edit } from "../../../../src/interpret/index.ts";
import { getJson, postArrays, postEvents, postJson } from "../../api/client.ts";
import { Failure } from "../../api/failure.ts";
import type { DirectionAnswer } from "../../api/safety.ts";

/** A direction that edits can use, and a random one as long. */
export interface UsedDirection {
  /** The block whose input it is. */
  layer: number;
  values: readonly number[];
  control: readonly number[];
}

type Told = { done: number; total: number; result?: undefined } | { result: DirectionAnswer };

/** The search for a direction, one at a time. */
export class Search {
  found = $state.raw<DirectionAnswer>();
  used = $state.raw<UsedDirection>();
  failure = $state.raw<Failure>();
  share = $state<number>();
  busy = $state("");
  #stop: AbortController | undefined;

  stop(): void {
    this.#stop?.abort();
  }

  /** Tries every block's direction; one block's is taken where it is named. */
  find(request: object, { keepsFound = false } = {}): Promise<void> {
    return this.#work("trying every block's direction", async (signal) => {
      let answer: DirectionAnswer | undefined;
      const body = { ...request, stream: true };
      for await (const event of postEvents<Told>("/v1/lab/direction", body, { signal })) {
        if (event.result === undefined) this.share = event.done / event.total;
        else answer = event.result;
      }
      if (answer === undefined) return;
      // A direction of another block is one more line of the same search.
      if (!keepsFound || this.found === undefined) this.found = answer;
      else this.found = { ...this.found, chosen: answer.chosen, control: answer.control };
      const { chosen, control } = answer;
      this.used =
        chosen === null
          ? undefined
          : { layer: chosen.layer, values: chosen.values, control: control.values };
    });
  }

  /** Takes a control vector that was kept. */
  take(name: string): Promise<void> {
    return this.#work("reading the control vector", async (signal) => {
      const { directions } = await getJson<{ directions: { layer: number; values: number[] }[] }>(
        `/v1/lab/vectors/${encodeURIComponent(name)}`,
        { signal },
      );
      const [first] = directions;
      this.found = undefined;
      this.used =
        first === undefined ? undefined : { ...first, control: randomAsLong(first.values) };
    });
  }

  async #work(what: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    Object.assign(this, { busy: what, share: undefined, failure: undefined });
    try {
      await work(stop.signal);
    } catch (thrown) {
      if (this.#stop === stop) this.failure = Failure.from(thrown);
    }
    if (this.#stop === stop) this.busy = "";
  }
}

/** A direction of equal length that means nothing; the same for the same length of list. */
function randomAsLong(values: readonly number[]): number[] {
  let state = 1;
  // Mulberry32, and Box and Muller's normal numbers.
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const drawn = values.map(
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
  const scale = Math.hypot(...values) / Math.hypot(...drawn);
  return drawn.map((value) => value * scale);
}

export type EditKind = "out" | "add";

/** Takes the direction out of all that is written to the stream, or adds it where it was read. */
export function directionEdits(
  kind: EditKind,
  { layer, values }: { layer: number; values: readonly number[] },
  strength: number,
): Edit[] {
  const edits =
    kind === "out"
      ? ["hook_embed", "blocks.*.hook_attn_out", "blocks.*.hook_mlp_out"].map((at) => ({
          ...{ at, op: "projectOut", directions: values },
        }))
      : [{ at: `blocks.${layer}.hook_resid_pre`, op: "add", value: values, scale: strength }];
  return edits as unknown as Edit[];
}

/** How much of the direction, as a unit, each token's stream has before every block, `[L][T]`. */
export interface Projections {
  tokens: string[];
  layers: number[][];
}

export async function askProjections(
  {
    model,
    prompt,
    values,
    layers,
  }: {
    model: string | undefined;
    prompt: string;
    values: readonly number[];
    layers: number;
  },
  signal: AbortSignal,
): Promise<Projections> {
  const norm = Math.hypot(...values);
  const unit = values.map((value) => value / norm);
  const at = Array.from({ length: layers }, (_, layer) => `blocks.${layer}.hook_resid_pre`);
  const [{ arrays }, { tokens }] = await Promise.all([
    postArrays(
      "/v1/lab/capture",
      {
        ...{ model, prompts: prompt },
        capture: at.map((hook) => ({ at: hook, reduce: { project: [unit] } })),
      },
      { signal },
    ),
    postJson<{ tokens: { piece: string | number[] }[] }>(
      "/tokenize",
      { model, content: prompt, add_special: true, with_pieces: true },
      { signal },
    ),
  ]);
  return {
    tokens: tokens.map(({ piece }) => (typeof piece === "string" ? piece : "�")),
    layers: at.map((hook) => [...(arrays.get(`${hook}.project`)?.values ?? [])]),
  };
}
