/** JSON as the header of a file that strangers wrote: no duplicate keys, bounded nesting, bounded number of containers. */

export interface JsonLimits {
  /** Levels of objects and arrays inside each other. */
  maxDepth: number;
  /** Objects and arrays in all: each costs memory far beyond its two characters. */
  maxContainers: number;
}

/**
 * Parses `text`, in which no object may name a key twice: `JSON.parse` would silently keep the last.
 *
 * @throws SyntaxError that says what is wrong
 */
export function parseStrictJson(text: string, limits: JsonLimits): unknown {
  checkStructure(text, limits);
  return JSON.parse(text);
}

/** One pass over brackets and strings. Where `text` is no JSON at all, `JSON.parse` says so afterwards. */
function checkStructure(text: string, { maxDepth, maxContainers }: JsonLimits): void {
  const open: (Set<string> | "array")[] = [];
  let containers = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case "{":
      case "[":
        if (open.length === maxDepth)
          throw new SyntaxError(`nested deeper than ${maxDepth} levels`);
        if (++containers > maxContainers)
          throw new SyntaxError(`more than ${maxContainers} objects and arrays`);
        open.push(text[at] === "{" ? new Set() : "array");
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case '"': {
        const end = closingQuote(text, at);
        const keys = open.at(-1);
        if (keys instanceof Set && isFollowedByColon(text, end + 1))
          addKey(keys, text.slice(at, end + 1));
        at = end;
        break;
      }
      default:
    }
  }
}

function addKey(keys: Set<string>, quoted: string): void {
  const key = JSON.parse(quoted) as string;
  if (keys.has(key)) throw new SyntaxError(`the key ${quoted} appears twice`);
  keys.add(key);
}

function closingQuote(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  throw new SyntaxError("a string has no end");
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (" \t\n\r".includes(text[at] ?? "?")) at++;
  return text[at] === ":";
}
