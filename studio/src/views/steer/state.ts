/** The parameters of the view; the worked example turns one name into another. */
export const DEFAULTS = {
  model: "",
  prompt: "When Mary and John went to the store, John gave a book to",
  answer: " Mary",
  against: " John",
  /** Lines of the rack, each as JSON. */
  edits: [] as readonly string[],
  positive:
    "When Mary and John went to the park, John gave a pen to\nWhen Anna and Tom went to the beach, Tom gave a ball to",
  negative:
    "When Mary and John went to the park, Mary gave a pen to\nWhen Anna and Tom went to the beach, Anna gave a ball to",
  /** A feature whose direction is the vector, `dictionary/number`; the contrast prompts' where empty. */
  from: "",
  layer: 2,
  strength: -2,
  max_tokens: 16,
  temperature: 0,
  seed: 1,
} as const;
