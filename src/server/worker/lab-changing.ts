/** What changing the inside of a model does to its answers, in its process. */
import { LabError } from "../../base/errors.ts";
import { answerToken, tokenName } from "../../interpret/answers.ts";
import {
  doseResponse,
  patchSweep,
  steeringVector,
  type DoseResponse,
  type PatchedValue,
  type PatchSweep,
} from "../../interpret/index.ts";
import { randomDirection } from "../../interpret/logit-attribution.ts";
import type { doseRequest, LabArguments, patchRequest, vectorRequest } from "../lab/schemas.ts";
import { tokensOf, type Asked } from "./lab-common.ts";
import type { ModelHost } from "./model-host.ts";
import type { OperationContext } from "./operations.ts";
import type { TokenText } from "./token-text.ts";

export interface PatchAnswer {
  site: string;
  axes: string[];
  shape: number[];
  layers: readonly number[];
  baselines: { clean: number; corrupted: number };
  values: number[];
  control: number[] | null;
  tokens: { clean: TokenText[]; corrupted: TokenText[] };
  answer: string;
  against: string;
}

export type PatchEvent =
  | ({ kind: "begin" } & Pick<PatchSweep, "axes" | "shape" | "layers" | "baselines">)
  | { kind: "values"; found: readonly PatchedValue[] }
  | { kind: "progress"; done: number; total: number };

export async function labPatch(
  args: Asked<LabArguments<typeof patchRequest>>,
  { host, signal, emit }: OperationContext<PatchEvent>,
): Promise<PatchAnswer> {
  const { model } = host;
  const {
    clean,
    corrupted,
    answer,
    against,
    site,
    over,
    direction,
    metric,
    layers,
    control,
    seed,
  } = args;
  const ids = { clean: [...model.promptIds(clean)], corrupted: [...model.promptIds(corrupted)] };
  const [right, wrong] = [answerToken(model, clean, answer), answerToken(model, clean, against)];
  const sweep = await patchSweep(model, [{ ...ids, right: [right], wrong: [wrong] }], {
    ...{ site, direction, metric, control, seed, signal },
    ...(over === undefined ? {} : { over }),
    ...(layers === undefined ? {} : { layers }),
    onBegin: (begun) => emit({ kind: "begin", ...begun }),
    onValues: (found) => emit({ kind: "values", found }),
    onProgress: (done, total) => emit({ kind: "progress", done, total }),
  });
  const { axes, shape, baselines } = sweep;
  return {
    ...{ site, axes, shape, layers: sweep.layers, baselines, values: [...sweep.values] },
    control: sweep.control === undefined ? null : [...sweep.control],
    tokens: { clean: tokensOf(host, ids.clean), corrupted: tokensOf(host, ids.corrupted) },
    ...{ answer: tokenName(model, right), against: tokenName(model, wrong) },
  };
}

function assertLayer(layer: number, { model }: ModelHost): void {
  const { layers } = model.config;
  if (layer >= layers)
    throw new LabError("bad_input", `the model has layers 0…${layers - 1}, not ${layer}`);
}

export interface VectorAnswer {
  layer: number;
  /** The hook at which it is added. */
  at: string;
  values: number[];
  norm: number;
  streamNorm: number;
  /** A random direction of the same length: what any change of this size does. */
  control: number[];
}

/** A direction that `labGenerate` can add, as an edit. */
export async function labVector(
  { positive, negative, layer, method, seed }: Asked<LabArguments<typeof vectorRequest>>,
  { host, signal }: OperationContext,
): Promise<VectorAnswer> {
  assertLayer(layer, host);
  const found = await steeringVector(host.model, { positive, negative }, { layer, method, signal });
  const { values, norm, streamNorm } = found;
  return {
    ...{ layer, at: `blocks.${layer}.hook_resid_post`, values: [...values], norm, streamNorm },
    control: [...randomDirection(values, seed)],
  };
}

export async function labDose(
  {
    prompts,
    layer,
    values,
    adapter: _adapter,
    ...options
  }: Asked<LabArguments<typeof doseRequest>>,
  { host, signal }: OperationContext,
): Promise<DoseResponse> {
  assertLayer(layer, host);
  const { model } = host;
  const { width } = model.config;
  if (values.length !== width)
    throw new LabError("bad_input", `a vector of ${values.length} values for streams of ${width}`, {
      hint: "Take one that /v1/lab/vector made of this model.",
    });
  const asked = prompts.map(({ prompt, answer, against }) => ({
    clean: model.promptIds(prompt),
    right: [answerToken(model, prompt, answer)],
    wrong: [answerToken(model, prompt, against)],
  }));
  const vector = { layer, values: Float32Array.from(values) };
  return doseResponse(model, vector, asked, { ...options, signal });
}
