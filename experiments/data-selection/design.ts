/** What was decided before the first run: see README.md, which says why. */

export const SEEDS = [1, 2, 3] as const;

/** Layers of width `heads` × 16, MLPs four times as wide; rates fall with the root of the width. */
export const SIZES = {
  small: { numHiddenLayers: 3, hiddenSize: 48, numAttentionHeads: 3, learningRate: 6e-3 },
  medium: { numHiddenLayers: 4, hiddenSize: 112, numAttentionHeads: 7, learningRate: 3.9e-3 },
  large: { numHiddenLayers: 5, hiddenSize: 208, numAttentionHeads: 13, learningRate: 2.9e-3 },
} as const;
export type Size = keyof typeof SIZES;

export const ARMS = ["raw", "random", "classified", "verified"] as const;
export type Arm = (typeof ARMS)[number];

/** Of every run alike. */
export const TRAINING = {
  maxSeqLength: 256,
  maxPositionEmbeddings: 256,
  perDeviceTrainBatchSize: 4,
  maxSteps: 1200,
  warmupRatio: 0.05,
} as const;
export const TOKENS = TRAINING.maxSteps * TRAINING.perDeviceTrainBatchSize * TRAINING.maxSeqLength;

export const VOCABULARY = 1024;
export const POOL_SEED = 7;
/** Two for each of the 102 compositions that are held out. */
export const EXERCISES = 204;
export const ANNOTATIONS = 1000;

export interface RunPlan {
  name: string;
  arm: Arm;
  size: Size;
  seed: number;
  /** Of the size's learning rate; 1 but in the one run that asks whether it matters. */
  rateFactor: number;
}

/** The decisive contrast first, seed by seed; then what explains it; the dearest cells last. */
export function planRuns(): RunPlan[] {
  const run = (arm: Arm, size: Size, seed: number): RunPlan => ({
    name: `${arm}-${size}-${seed}`,
    ...{ arm, size, seed, rateFactor: 1 },
  });
  const cells = (pairs: readonly (readonly [Arm, Size])[]): RunPlan[] =>
    SEEDS.flatMap((seed) => pairs.map(([arm, size]) => run(arm, size, seed)));
  return [
    ...cells([
      ["verified", "small"],
      ["raw", "large"],
    ]),
    ...cells([
      ["raw", "small"],
      ["random", "small"],
      ["classified", "small"],
    ]),
    { ...run("raw", "large", 1), name: "raw-large-1-half-rate", rateFactor: 0.5 },
    ...cells(ARMS.map((arm) => [arm, "medium"])),
    ...cells([
      ["verified", "large"],
      ["classified", "large"],
      ["random", "large"],
    ]),
  ];
}
