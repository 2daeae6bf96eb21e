/** What the process of a model can be asked for. */
import { complete } from "./complete.ts";
import { embed } from "./embed.ts";
import { labAttention, labAttribute, labHeads, labLens } from "./lab-reading.ts";
import { labCircuitCheck, labGraph, labIntervene } from "./lab-circuits.ts";
import { labFeature, labFeatures } from "./lab-features.ts";
import { labDose, labPatch, labVector } from "./lab-changing.ts";
import { labDirection } from "./lab-safety.ts";
import { labCapture, labGenerate } from "./lab.ts";
import type { ModelHost } from "./model-host.ts";
import { detokenize, tokenize } from "./tokenize.ts";

/** What an operation is given beside its arguments. */
export interface OperationContext<E = never> {
  host: ModelHost;
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal;
  emit: (event: E) => void;
}

export const OPERATIONS = {
  ...{ complete, tokenize, detokenize, embed },
  ...{ labCapture, labLens, labAttention, labHeads, labAttribute },
  ...{ labFeature, labFeatures, labGraph, labIntervene, labCircuitCheck },
  ...{ labPatch, labVector, labDose, labDirection, labGenerate },
};
export type Operations = typeof OPERATIONS;
