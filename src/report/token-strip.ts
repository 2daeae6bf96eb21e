/**
 * Token strip: a text as its tokens, each coloured by a value (surprise, attribution, an activation). White space and
 * bytes that are no text are made visible; signed values carry a line above or below besides the colour.
 */
import { colorScale } from "./color-scale.ts";
import { figure, visibleTokenText, type FigureText } from "./figure.ts";
import { html, type Html } from "./html.ts";
import { levelClass, levelOf, rangeOf, type Palette } from "./tokens.ts";

export interface TokenValue {
  text: string;
  /** Undefined where there is none, such as the surprise of the first token. */
  value?: number | undefined;
  /** More for the readout: the likeliest token instead, the rank. */
  note?: string;
}

export interface TokenStripOptions extends FigureText {
  tokens: readonly TokenValue[];
  /** What a value is: `surprise in bits`. */
  valueTitle: string;
  palette?: Palette;
  range?: readonly [low: number, high: number];
}

export function tokenStrip({
  tokens,
  valueTitle,
  palette = "sequential",
  range,
  title,
  description,
}: TokenStripOptions): Html {
  const colors = {
    palette,
    range:
      range ??
      rangeOf(
        tokens.map(({ value }) => value ?? NaN),
        palette,
      ),
  };
  const spans = tokens.map(({ text, value }, i) => {
    const finite = value !== undefined && Number.isFinite(value);
    const sign =
      palette !== "diverging" || !finite || value === 0 ? "" : value > 0 ? " up" : " down";
    const level = finite ? levelClass(palette, levelOf(value, colors)) : "none";
    return html`<span class="token ${level}${sign}" data-i="${i}">${visibleTokenText(text)}</span
      >${text.includes("\n") && html`<br />`}`;
  });
  return figure(
    { title, description },
    {
      plot: html`<div class="tokens">${spans}</div>`,
      legend: colorScale({ ...colors, title: valueTitle }),
      table: {
        columns: ["position", "token", valueTitle, "note"],
        rows: tokens.map(({ text, value, note }, i) => [
          i,
          visibleTokenText(text),
          value ?? "",
          note ?? "",
        ]),
      },
      reading: { kind: "tokens" },
    },
  );
}
