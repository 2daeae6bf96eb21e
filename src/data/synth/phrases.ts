/** Texts with choices in them, and drawing from lists. */
import type { Random } from "../../base/random.ts";

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.integer(items.length)]!;
}

/** Different items, in random order. */
export function pickSome<T>(random: Random, items: readonly T[], count: number): T[] {
  return [...random.permutation(items.length)].slice(0, count).map((i) => items[i]!);
}

/** Whether something of this probability happens. */
export function chance(random: Random, probability: number): boolean {
  return random.uniform() < probability;
}

/** Draws one of each `<a|b>`, the inner ones first. */
export function choose(template: string, random: Random): string {
  let text = template;
  for (;;) {
    const chosen = text.replace(/<([^<>]*\|[^<>]*)>/g, (_, options: string) =>
      pick(random, options.split("|")),
    );
    if (chosen === text) return text.replace(/ {2,}/g, " ");
    text = chosen;
  }
}

/** Fills `$name` in. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\$([a-z]+)/g, (whole, name: string) => values[name] ?? whole);
}
