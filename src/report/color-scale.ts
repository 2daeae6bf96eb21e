/** The legend of coloured values. */
import { formatNumber } from "../base/format.ts";
import { html, type Html } from "./html.ts";
import { LEVELS, levelClass, type Palette } from "./tokens.ts";

/** How values become colours: the palette, and the values of its first and its last colour. */
export interface Coloring {
  palette: Palette;
  range: readonly [low: number, high: number];
}

/** The palette between the values of its ends; the middle of the diverging one is 0 where its range is symmetric. */
export function colorScale({ palette, range, title }: Coloring & { title: string }): Html {
  const levels = LEVELS[palette];
  const [low, high] = range.map((value) => formatNumber(value, 3).replace("-", "−"));
  const bars = Array.from(
    { length: levels },
    (_, level) =>
      html`<rect class="${levelClass(palette, level)}" x="${level}" width="1" height="1" />`,
  );
  return html`<span class="scale"
    ><span>${title}</span> <span>${low}</span>
    <svg
      viewBox="0 0 ${levels} 1"
      preserveAspectRatio="none"
      shape-rendering="crispEdges"
      aria-hidden="true"
    >
      ${bars}
    </svg>
    <span>${high}</span></span
  >`;
}
