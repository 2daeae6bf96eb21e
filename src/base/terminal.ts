/**
 * Text for a terminal. Model and prompt text is hostile: an escape sequence in it could recolour, rewrite or retitle
 * the reader's terminal, a bidirectional override could show text in an order that is not its own.
 */
import picocolors from "picocolors";

export type Colors = ReturnType<typeof picocolors.createColors>;

/** A stream as this file needs it; `process.stdout` and a test's buffer are two. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

// C0 but tab and newline, DEL, C1, and the bidirectional embeddings, overrides and isolates.
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/**
 * `text` with nothing in it that acts on a terminal: control characters become their pictures (ESC is shown as ␛, DEL
 * as ␡), those without a picture become �; newline and tab stay. What the model emitted remains visible, character by
 * character, so pieces of a stream may be passed one at a time.
 */
export function visibleText(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : "�";
  });
}

/** `visibleText` on one line: newline as ⏎, tab as ⇥; for tables and messages. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

/**
 * Whether `stream` gets colours: NO_COLOR (any value but empty) switches them off, FORCE_COLOR on, otherwise a
 * terminal that is not dumb has them. https://no-color.org
 */
export function hasColors(stream: TextStream, env: NodeJS.ProcessEnv): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0") return true;
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

export function colorsFor(stream: TextStream, env: NodeJS.ProcessEnv): Colors {
  return picocolors.createColors(hasColors(stream, env));
}

const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;
const DOUBLE_WIDTH =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u;
const STYLE = /\u001b\[[0-9;]*m/g;

/** How many columns `text` takes, styles (`ESC[…m`) not counted; East Asian letters and emoji take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text.replace(STYLE, ""))
    width += ZERO_WIDTH.test(character) ? 0 : DOUBLE_WIDTH.test(character) ? 2 : 1;
  return width;
}
