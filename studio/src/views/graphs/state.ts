/** The parameters of the view; the worked example is a name that the bundled model moves. */
export const DEFAULTS = {
  model: "",
  prompt: "When Mary and John went to the store, John gave a book to",
  /** Dictionaries, one of each layer; by default those that come with the model, else the newest. */
  transcoders: [] as readonly string[],
  nodeThreshold: 0.8,
  edgeThreshold: 0.98,
  /** Nodes at most. */
  maxFeatures: 2000,
  /** A node that is looked at. */
  node: "",
  /** Nodes that are pinned, each with its group: `0_369_14=1`. */
  pinned: [] as readonly string[],
  /** What pinned features are multiplied by. */
  factor: 0,
} as const;
