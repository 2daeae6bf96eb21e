/** Texts that no safety measure is about: what an edit should leave alone, where a person gives none. */
export const ORDINARY_TEXTS: readonly string[] = [
  "When Mary and John went to the store, John gave a book to Mary.",
  "The train to the coast leaves at nine and arrives shortly before noon.",
  "Water boils at a lower temperature on a mountain than at the sea.",
  "She planted beans in the spring, and by July they had climbed over the fence.",
  "The committee met on Tuesday and agreed to repair the bridge before winter.",
  "To make the dough, mix flour, salt and warm water, and let it rest for an hour.",
  "A triangle whose sides are three, four and five has a right angle.",
  "The library is open every day except Sunday, and the museum is next to it.",
  'def add(a, b):\n    """Return the sum of a and b."""\n    return a + b',
  'def last(items):\n    """Return the last of items."""\n    return items[-1]',
  "Instruct: What is 7 + 8?\nOutput: 15",
  "Instruct: Name the month after May.\nOutput: June",
];
