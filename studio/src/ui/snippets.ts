/** The same request from elsewhere. */

export interface Snippets {
  typescript?: string;
  cli?: string;
  curl?: string;
}

/** A word of a shell's command line. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `--model` and `--adapter` of a name such as `phi-2+safer`. */
export function modelWords(name: string): { model?: string; adapter?: string } {
  const [model = "", adapter] = name.split("+");
  return { ...(model === "" ? {} : { model }), ...(adapter === undefined ? {} : { adapter }) };
}

/**
 * `philab run --seed 3 'a text'`: options that are undefined or false are left out, true ones stand alone, those of several texts are
 * given as often.
 */
export function commandLine(
  words: readonly string[],
  options: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>,
  rest: readonly string[] = [],
): string {
  const flag = (name: string, value: string): string[] =>
    // What begins with a dash would be read as an option.
    value.startsWith("-") ? [`--${name}=${shellQuote(value)}`] : [`--${name}`, shellQuote(value)];
  const flags = Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${name}`];
    const values = typeof value === "object" ? value : [String(value)];
    return values.flatMap((one) => flag(name, one));
  });
  const guard = rest.some((word) => word.startsWith("-")) ? ["--"] : [];
  return ["philab", ...words, ...flags, ...guard, ...rest.map(shellQuote)].join(" ");
}

/** A data set of the server's home, wherever that is: already quoted. */
export function dataPath(name: string): string {
  return `"\${PHILAB_HOME:-$HOME/.philab}"/data/${shellQuote(name)}`;
}

/** A POST of JSON to this server. The key is not written down. */
export function curl(path: string, body: unknown): string {
  return [
    `curl ${shellQuote(new URL(path, location.origin).href)} \\`,
    `  -H 'content-type: application/json' \\`,
    `  -d ${shellQuote(JSON.stringify(body))}`,
  ].join("\n");
}

/** An object as TypeScript writes it: names without quotes, `undefined` left out. */
export function literal(value: unknown, indent = ""): string {
  if (Array.isArray(value)) return `[${value.map((one) => literal(one, indent)).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  const words = entries.map(
    ([name, one]) =>
      `${/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)}: ${literal(one, `${indent}  `)}`,
  );
  const flat = `{ ${words.join(", ")} }`;
  if (entries.length === 0) return "{}";
  if (flat.length <= 80 && !flat.includes("\n")) return flat;
  return `{\n${words.map((word) => `${indent}  ${word},\n`).join("")}${indent}}`;
}
