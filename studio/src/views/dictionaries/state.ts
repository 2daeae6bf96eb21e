/** The parameters of the view, and its worked example: an autoencoder of the bundled model's stream, learned in about a minute. */
export const DEFAULTS = {
  model: "",
  layer: 2,
  /** A hook of the layer. */
  place: "hook_resid_post",
  transcoder: false,
  architecture: "topk",
  k: 16,
  width: 4,
  tokens: 100_000,
  learningRate: 0.002,
  data: "",
  /** A training whose curves are drawn. */
  run: "",
} as const;

export const PLACES: Readonly<Record<string, string>> = {
  hook_resid_post: "the stream after the block",
  hook_mlp_out: "what the MLP adds",
  hook_attn_out: "what attention adds",
  hook_mlp_post: "the MLP's neurons",
};

/** What is compared, under SAELens' names. */
export const MEASURES = {
  l0: "L0",
  explained_variance: "explained variance",
  pca_explained_variance: "PCA of that L0",
  ce_loss_score: "CE recovered",
  frac_alive: "alive",
} as const;
