/** Text as bad crawls have it: each document is damaged in one way. */
import type { Random } from "philab/data";

const DAMAGES: readonly ((text: string, random: Random) => string)[] = [
  // Lines in any order.
  (text, random) => {
    const lines = text.split("\n");
    return Array.from(random.permutation(lines.length), (i) => lines[i]).join("\n");
  },
  // Letters lost, doubled and swapped, as by a bad scan.
  (text, random) => {
    const letters = [...text];
    return letters
      .map((letter, i) => {
        const chance = random.uniform();
        if (chance < 0.04) return "";
        if (chance < 0.07) return letter + letter;
        return chance < 0.12 && letter !== "\n" ? (letters[i + 1] ?? "") : letter;
      })
      .join("");
  },
  // One passage again and again.
  (text, random) => {
    const lines = text.split("\n");
    const start = random.integer(Math.max(1, lines.length - 3));
    const passage = lines.slice(start, start + 3).join("\n");
    return `${passage}\n`.repeat(Math.ceil(text.length / (passage.length + 1)));
  },
  // Bytes as text.
  (text) =>
    (
      Buffer.from(text)
        .toString("base64")
        .match(/.{1,76}/g) ?? []
    ).join("\n"),
  // UTF-16 that was read as Latin-1, with the null bytes dropped into spaces.
  (text) => [...text].join(" "),
  // No layout.
  (text) => text.replaceAll(/\s+/g, ""),
];

export function damage(text: string, random: Random): string {
  const way = DAMAGES[random.integer(DAMAGES.length)] as (text: string, random: Random) => string;
  return way(text, random);
}
