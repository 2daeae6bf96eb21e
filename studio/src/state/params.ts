/** Parameters of a view as a query of its address, and back. */

/** A list whose default is empty is one of texts. */
export type ParamValue = string | number | boolean | readonly string[] | readonly number[];

export function encodeParams(params: Readonly<Record<string, ParamValue>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    search.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  return search.toString();
}

/** The parameters of a query, of the types that their defaults have. */
export function decodeParams<T extends Readonly<Record<string, ParamValue>>>(
  query: string,
  defaults: T,
): { values: Record<string, ParamValue>; problems: string[] } {
  const values: Record<string, ParamValue> = { ...defaults };
  const problems: string[] = [];
  for (const [name, text] of new URLSearchParams(query)) {
    const fallback = defaults[name];
    const value = fallback === undefined ? undefined : decode(text, fallback);
    if (value !== undefined) values[name] = value;
    else
      problems.push(
        fallback === undefined
          ? `this view has no “${name}”`
          : `“${name}” cannot be “${text.slice(0, 60)}”: the usual value is taken`,
      );
  }
  return { values, problems };
}

function decode(text: string, fallback: ParamValue): ParamValue | undefined {
  if (typeof fallback === "string") return text;
  if (typeof fallback === "number")
    return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined;
  if (typeof fallback === "boolean")
    return text === "true" ? true : text === "false" ? false : undefined;
  try {
    const value = JSON.parse(text) as unknown;
    if (!Array.isArray(value)) return undefined;
    const isNumbers = fallback.length > 0 && typeof fallback[0] === "number";
    const isRight = value.every((one) => typeof one === (isNumbers ? "number" : "string"));
    return isRight ? (value as string[]) : undefined;
  } catch {
    return undefined;
  }
}
