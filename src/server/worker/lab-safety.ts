/** The direction that a behaviour goes by, in the process of a model. */
import { exploreDirection } from "../../safety/directions/explore.ts";
import type { Candidate, Contrast, Trial } from "../../safety/directions/select.ts";
import type { directionRequest, LabArguments } from "../lab/schemas.ts";
import type { Asked } from "./lab-common.ts";
import type { OperationContext } from "./operations.ts";

export interface DirectionAnswer {
  /** Log odds that an answer begins with the behaviour, as the model is. */
  before: { positive: number; negative: number };
  candidates: (Omit<Candidate, "values"> & { norm: number })[];
  /** The best that can be chosen, or the one that was asked for; null where none can. */
  chosen: (Omit<Candidate, "values"> & { norm: number; values: number[] }) | null;
  /** A random direction as long. */
  control: Trial & { values: number[] };
  /** Prompts that directions were tried on, and not read from. */
  tried: Contrast;
}

export async function labDirection(
  { positive, negative, adapter, layer, ...options }: Asked<LabArguments<typeof directionRequest>>,
  { host, signal, emit }: OperationContext<{ done: number; total: number }>,
): Promise<DirectionAnswer> {
  const { before, candidates, chosen, control, validation } = await exploreDirection(
    host.model,
    { positive, negative },
    {
      ...{ ...options, layer, signal, adapter: await host.adapterName(adapter) },
      onProgress: (done, total) => emit({ done, total }),
    },
  );
  return {
    before,
    candidates: candidates.map(withoutValues),
    chosen: chosen === undefined ? null : { ...withoutValues(chosen), values: [...chosen.values] },
    control: { ...control, values: [...control.values] },
    tried: validation,
  };
}

function withoutValues({
  values,
  ...rest
}: Candidate): Omit<Candidate, "values"> & { norm: number } {
  return { ...rest, norm: Math.hypot(...values) };
}
