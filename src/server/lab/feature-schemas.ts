/** What the endpoints about dictionaries, circuits and attribution graphs take. */
import { z } from "zod";
import { PRUNING } from "../../features/attribution/graph.ts";
import { ABLATIONS } from "../../interpret/index.ts";
import { taskName } from "../../interpret/circuit/search-options.ts";
import { lensRequest } from "./schemas.ts";

const { model, prompt } = lensRequest.shape;
const index = z.int().min(0);
const name = z.string().max(300).describe("a name that /v1/lab/dictionaries lists");
const share = z.number().min(0).max(1);

export const featureRequest = z.strictObject({
  ...{ model, dictionary: name, feature: index },
  top: z.int().min(1).max(100).default(10).describe("tokens of each kind, and neighbours"),
  seed: index.default(0).describe("of the random direction of equal length that comes with it"),
});

export const featuresRequest = z.strictObject({
  ...{ model, dictionary: name, prompt },
  top: z.int().min(1).max(100).default(5).describe("features of each token"),
});

const transcoders = z.array(name).min(1).max(512).describe("by name, at most one of each layer");

export const graphRequest = z.strictObject({
  ...{ model, prompt, transcoders },
  maxFeatures: z.int().min(1).max(8000).default(2000).describe("features that are nodes at most"),
  nodeThreshold: share.default(PRUNING.nodeThreshold).describe("nodes kept, by influence"),
  edgeThreshold: share.default(PRUNING.edgeThreshold).describe("edges kept, by influence"),
  interventions: z.int().min(0).max(64).default(8).describe("features that are taken out"),
  seed: index.default(0),
});

export const interveneRequest = z.strictObject({
  ...{ model, prompt, transcoders },
  features: z
    .array(z.strictObject({ layer: index, position: index, feature: index }))
    .min(1)
    .max(256)
    .describe("features that fire, changed together"),
  factor: z.number().default(0).describe("what activations are multiplied by; 0 takes them out"),
  controls: z.int().min(0).max(16).default(3).describe("sets of as many random features"),
  seed: index.default(0),
});

const text = z.string().min(1).max(10_000).optional();

export const circuitCheckRequest = z.strictObject({
  model,
  total: z.int().min(1).describe("edges of the model, as the circuit's file says"),
  edges: z
    .array(z.strictObject({ edge: z.string().max(100), effect: z.number().nullable() }))
    .min(1)
    .max(100_000)
    .describe("the circuit's edges, the strongest first"),
  sizes: z.array(z.int().min(1)).min(1).max(32).describe("edges that are kept, the strongest"),
  task: taskName.optional(),
  limit: z.int().min(1).max(256).default(8).describe("pairs of the task"),
  ...{ clean: text, corrupted: text, answer: text, against: text },
  ablation: z.enum(ABLATIONS).default("resample").describe("what the other edges carry"),
  controls: z.int().min(0).max(16).default(3).describe("random circuits of equal size"),
  seed: index.default(0),
});
