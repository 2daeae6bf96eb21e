/** The parameters of the view; the worked example is a name that the bundled model moves. */
export const DEFAULTS = {
  model: "",
  prompt: "When Mary and John went to the store, John gave a book to",
  corrupted: "When Mary and John went to the store, Mary gave a book to",
  answer: " Mary",
  against: " John",
  /** The token that is looked at; below 0 the last. */
  position: -1,
  /** `L2H1`; none by default. */
  head: "L2H0",
  sort: "layer",
  site: "z",
} as const;
