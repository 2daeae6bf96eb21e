/**
 * Docstring: after the descriptions of two parameters, the name of the third.
 * Heimersheim and Janiak 2023, "A circuit for Python docstrings in a 4-layer attention-only transformer". The counterpart
 * has other names in its definition, so that nothing says what comes third.
 */
import { pickSome, type Draw } from "./task.ts";
import { PLAIN_WORDS } from "./words.ts";

export const docstring: Draw = (source) => {
  const words = pickSome(source, source.oneToken(PLAIN_WORDS), 15);
  const [name, a, b, c, rest, ...others] = words as [
    string,
    string,
    string,
    string,
    string,
    ...string[],
  ];
  const [x, y, z, ...about] = others as [string, string, string, ...string[]];
  const head = (names: readonly string[]): string => `def ${name}(self, ${names.join(", ")}`;
  const tail = `):\n    """${about.slice(0, 2).join(" ")}\n\n    :param ${a}: ${about.slice(2, 4).join(" ")}\n    :param ${b}: ${about.slice(4, 6).join(" ")}\n    :param`;
  return {
    clean: `${head([a, b, c, rest])}${tail}`,
    corrupted: `${head([x, y, z, rest])}${tail}`,
    right: [` ${c}`],
    wrong: [` ${rest}`, ` ${a}`, ` ${b}`],
    marks: { a: head([a]), b: head([a, b]), c: head([a, b, c]) },
  };
};
