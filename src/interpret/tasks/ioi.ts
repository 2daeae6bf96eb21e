/**
 * Indirect object identification: "When Mary and John went to the store, John gave a book to" → " Mary".
 * Wang et al. 2022 (arXiv 2211.00593), §2: the name that was said once. The counterpart lets the other name give, as in
 * TransformerLens' demonstrations, so that the right answer becomes the wrong one.
 */
import { pick, pickSome, type Draw } from "./task.ts";
import { NAMES, OBJECTS, PLACES } from "./words.ts";

/** `[A]` and `[B]` are the two names, `[S]` the one that gives. */
const TEMPLATES = [
  "When [A] and [B] went to the [PLACE], [S] gave a [OBJECT] to",
  "Then, [A] and [B] went to the [PLACE]. [S] gave a [OBJECT] to",
  "Then, [A] and [B] had a lot of fun at the [PLACE]. [S] gave a [OBJECT] to",
  "While [A] and [B] were working at the [PLACE], [S] gave a [OBJECT] to",
  "After [A] and [B] went to the [PLACE], [S] gave a [OBJECT] to",
  "Friends [A] and [B] found a [OBJECT] at the [PLACE]. [S] gave it to",
] as const;

/** @param templates - how many of the templates to draw from; the first is the best known */
export function ioi(templates: number = TEMPLATES.length): Draw {
  return (source) => {
    const [first, second] = pickSome(source, source.oneToken(NAMES), 2) as [string, string];
    const words = {
      PLACE: pick(source, source.oneToken(PLACES)),
      OBJECT: pick(source, source.oneToken(OBJECTS)),
      A: first,
      B: second,
    };
    const template = pick(source, TEMPLATES.slice(0, templates));
    const subject = pick(source, [first, second]);
    const object = subject === first ? second : first;
    const say = (text: string, giver: string): string =>
      text.replace(/\[(\w+)\]/g, (_, key: string) =>
        key === "S" ? giver : words[key as keyof typeof words],
      );
    const until = (mark: string): string =>
      say(template.slice(0, template.indexOf(mark) + mark.length), subject);
    const place = { [first]: until("[A]"), [second]: until("[B]") };
    return {
      clean: say(template, subject),
      corrupted: say(template, object),
      right: [` ${object}`],
      wrong: [` ${subject}`],
      marks: {
        io: place[object] as string,
        s1: place[subject] as string,
        s2: until("[S]"),
      },
    };
  };
}
