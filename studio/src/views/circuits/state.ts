/** The parameters of the view, and its worked example: which edges of the bundled model give back the other name. */
export const DEFAULTS = {
  model: "",
  task: "ioi-classic",
  method: "eap-ig",
  ablation: "resample",
  edges: 60,
  threshold: 0.01,
  limit: 8,
  seed: 0,
  /** A search whose circuit is shown. */
  run: "",
  /** Edges that are shown, the strongest; 0 for all. */
  size: 0,
  /** A part that is looked at: `a1.h0`, `m2`. */
  node: "",
} as const;

export const METHODS: Readonly<Record<string, string>> = {
  "eap-ig": "integrated gradients (EAP-IG)",
  eap: "one gradient (EAP)",
  exact: "every edge patched",
  acdc: "ACDC",
};
