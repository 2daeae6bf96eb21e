/** Texts as Python's `str` handles them, where JavaScript's strings differ. */

/** What Python's `str.isspace` holds for white space; JavaScript counts U+FEFF too, and not U+001C…U+001F and U+0085. */
const SPACE =
  "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const LEADING = new RegExp(`^${SPACE}+`);
const TRAILING = new RegExp(`${SPACE}+$`);

/** `str.strip()` */
export function strip(text: string): string {
  return stripEnd(text.replace(LEADING, ""));
}

/** `str.rstrip()` */
export function stripEnd(text: string): string {
  return text.replace(TRAILING, "");
}

/** `str.capitalize()`: the first letter as a capital, all others small. */
export function capitalize(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** `len(str)`: Unicode code points. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
