/** A condition on a value, as words and as Python. */
import type { Idea } from "./idea.ts";

export type Literals = NonNullable<Idea["literals"]>;

export interface Condition {
  id: string;
  /** Follows "is" and "are". */
  said: string;
  /** Stands before "numbers", where the condition is one word. */
  adjective?: string;
  /** Python over `x`, and the same said otherwise. */
  code: string;
  other: string;
  literals?: Literals;
}
