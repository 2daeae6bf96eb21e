/** docs/hooks.md lists what the code knows. `UPDATE_DOCS=1 npx vitest run test/interpret/docs.test.ts` writes the lists anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { BLOCK_ALIASES, OUTER_ALIASES, SHORTHANDS } from "../../src/model/hooks/aliases.ts";
import {
  BLOCK_HOOKS,
  OUTER_HOOKS,
  POSITION_HOOK,
  SEQUENTIAL_HOOKS,
} from "../../src/model/hooks/names.ts";

const file = new URL("../../docs/hooks.md", import.meta.url);

const shapeOf = (shape: readonly (string | number)[] | "pattern"): string =>
  shape === "pattern" ? "[B, N, T, S]" : `[${["B", "T", ...shape].join(", ")}]`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

const names = table(
  ["name", "shape", "what it is"],
  [
    ...Object.entries(OUTER_HOOKS).slice(0, 1),
    ...Object.entries(BLOCK_HOOKS).map(([name, kind]) => [`blocks.{l}.${name}`, kind] as const),
    ...Object.entries(OUTER_HOOKS).slice(1),
  ].map(([name, { shape, meaning }]) => [`\`${name}\``, `\`${shapeOf(shape)}\``, meaning]),
);

const sequential = table(
  ["name", "shape", "what it is"],
  [
    [`\`${POSITION_HOOK}\``, "`[B, T, D]`", "W_P of the positions, of GPT-2"],
    ...Object.entries(SEQUENTIAL_HOOKS).map(([name, { shape, meaning }]) => [
      `\`blocks.{l}.${name}\``,
      `\`${shapeOf(shape)}\``,
      meaning,
    ]),
  ],
);

const inBlock = (entries: Readonly<Record<string, string>>, prefix: string): string[][] =>
  Object.entries(entries).map(([alias, name]) => [`\`${prefix}${alias}\``, `\`${name}\``]);
const aliases = table(
  ["also", "is"],
  [
    ...inBlock(OUTER_ALIASES, ""),
    ...inBlock(BLOCK_ALIASES, "blocks.{l}."),
    ...Object.entries(SHORTHANDS).map(([word, name]) => [`\`${word}{l}\``, `\`${name}\``]),
  ],
);

it("docs/hooks.md has every name, shape and alias of the code", () => {
  const before = readFileSync(file, "utf8");
  const between = (text: string, mark: string, list: string): string =>
    text.replace(
      new RegExp(`<!-- ${mark} -->[^]*<!-- /${mark} -->`),
      () => `<!-- ${mark} -->\n\n${list}\n\n<!-- /${mark} -->`,
    );
  const lists = { names, aliases, sequential };
  const wanted = Object.entries(lists).reduce(
    (text, [mark, list]) => between(text, mark, list),
    before,
  );
  if (process.env["UPDATE_DOCS"] !== undefined) writeFileSync(file, wanted);
  else expect(before).toBe(wanted);
});
