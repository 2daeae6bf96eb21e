/** The parameters of the view; the worked example asks the first dictionary that is there about a name that is moved. */
export const DEFAULTS = {
  /** By its name; the first of the list by default. */
  dictionary: "",
  /** The one of the dictionary's model by default. */
  model: "",
  /** Below 0 for none. */
  feature: -1,
  find: "",
  sort: "density",
  /** Share of the tokens for which a feature fires at most. */
  often: 1,
  /** Texts that are read for the survey. */
  data: "",
  prompt: "When Mary and John went to the store, John gave a book to",
  strength: 0,
  steer: "Once upon a time there was a little",
  max_tokens: 24,
} as const;
