/** What the process of a model can be asked for. */
import { complete } from "./complete.ts";
import { embed } from "./embed.ts";
import { labAttention, labAttribute, labHeads, labLens } from "./lab-reading.ts";
import { labCircuitCheck, labGraph, labIntervene } from "./lab-circuits.ts";
import { labFeature, labFeatures } from "./lab-features.ts";
import { labDose, labPatch, labVector } from "./lab-changing.ts";
import { labDirection } from "./lab-safety.ts";
import { labCapture, labGenerate } from "./lab.ts";
import type { AdapterFiles, ModelHost } from "./model-host.ts";
import { detokenize, tokenize } from "./tokenize.ts";

/** What an operation is given beside its arguments. */
export interface OperationContext<E = never> {
  host: ModelHost;
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal;
  emit: (event: E) => void;
}

/** An operation that looks inside, under the adapter that it is asked for. */
function inside<A extends { adapter: AdapterFiles | null }, E, R>(
  look: (args: A, context: OperationContext<E>) => Promise<R>,
): typeof look {
  return (args, context) => context.host.under(args.adapter, () => look(args, context));
}

export const OPERATIONS = {
  ...{ complete, tokenize, detokenize, embed, labCapture, labGenerate },
  labLens: inside(labLens),
  labAttention: inside(labAttention),
  labHeads: inside(labHeads),
  labAttribute: inside(labAttribute),
  labFeature: inside(labFeature),
  labFeatures: inside(labFeatures),
  labGraph: inside(labGraph),
  labIntervene: inside(labIntervene),
  labCircuitCheck: inside(labCircuitCheck),
  labPatch: inside(labPatch),
  labVector: inside(labVector),
  labDose: inside(labDose),
  labDirection: inside(labDirection),
};
export type Operations = typeof OPERATIONS;
