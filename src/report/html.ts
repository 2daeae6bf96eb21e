/**
 * HTML as values. Whatever is put into an `html` template is text and gets escaped, unless it is `Html` itself; model
 * and prompt text is hostile, and there is no way to forget.
 */
import { toJson } from "../base/json.ts";
import { visibleText } from "../base/terminal.ts";

/** Markup that was made by `html`, or that its author vouches for. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

export type HtmlValue = Html | string | number | false | undefined | readonly HtmlValue[];

/**
 * Markup with values in it: strings and numbers are escaped, lists joined, `false` and `undefined` leave nothing.
 * Attribute values must stand in double quotes.
 *
 * @example html`<td title="${token}">${token}</td>`
 */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): Html {
  return new Html(strings.reduce((text, next, i) => text + render(values[i - 1]) + next));
}

/** Marks a text as markup. Only for text that philab itself wrote. */
export function trusted(text: string): Html {
  return new Html(text);
}

/**
 * A text as HTML shows it, in an element or in a quoted attribute. Control characters and bidirectional overrides are
 * made visible as in the terminal.
 */
export function escapeHtml(text: string): string {
  return visibleText(text).replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A value as JSON inside `<script type="application/json">`, which nothing in it can close. */
export function jsonScript(value: unknown): Html {
  const json = toJson(value);
  const safe = json.replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return new Html(`<script type="application/json">${safe}</script>`);
}

function render(value: HtmlValue): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(render).join("");
  return escapeHtml(String(value));
}
