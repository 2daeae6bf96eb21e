/** A list that is too long to be read through: a few entries at a time, with a search over all of them. */
import { visibleText } from "../base/terminal.ts";
import { html, jsonScript, type Html } from "./html.ts";

export interface BrowsedEntry {
  /** A line above the text. */
  head: string;
  text: string;
  /** Lines under it. */
  lines: readonly string[];
  /** Entries of one kind can be shown alone. */
  kind: string;
}

/** Entries that are shown together. */
const SHOWN = 10;

/** The list as a page has it; its script turns the leaves. */
export function browser({
  title,
  entries,
  isBlurred = false,
}: {
  title: string;
  entries: readonly BrowsedEntry[];
  /** Texts are blurred until a box is ticked. */
  isBlurred?: boolean;
}): Html {
  const kinds = [...new Set(entries.map(({ kind }) => kind))].sort();
  // A control character in a text must not reach the page unseen.
  const data = entries.map(({ head, text, lines, kind }) => ({
    ...{ head: visibleText(head), text: visibleText(text), kind },
    lines: lines.map(visibleText).join("\n"),
  }));
  const slots = Array.from(
    { length: Math.min(SHOWN, entries.length) },
    () =>
      html`<article class="entry" hidden>
        <p><strong class="head"></strong></p>
        <pre class="text"></pre>
        <pre class="lines"></pre>
      </article>`,
  );
  return html`<div class="browser${isBlurred && " blurred"}">
    <div class="under" role="group" aria-label="${title}">
      <label>find <input type="search" class="find" /></label>
      <label
        >show
        <select class="kind">
          <option value="">all</option>
          ${kinds.map((kind) => html`<option value="${kind}">${kind}</option>`)}
        </select></label
      >
      <button type="button" class="back">back</button>
      <button type="button" class="on">on</button>
      ${isBlurred && html`<label><input type="checkbox" class="reveal" /> show texts</label>`}
      <span class="where" role="status"></span>
    </div>
    <noscript><p class="note">Entries are shown by this page's script.</p></noscript>
    ${slots} ${jsonScript(data)}
  </div>`;
}

/** As much of the DOM as the script uses. */
interface Part {
  textContent: string | null;
  hidden: boolean;
  disabled: boolean;
  value: string;
  querySelector(selector: string): Part | null;
  querySelectorAll(selector: string): Iterable<Part>;
  addEventListener(type: string, listener: () => void): void;
}

/** Fills every list under `root`. Written into pages as it stands, hence no imports and no outer names. */
export function attachBrowsers(root: { querySelectorAll(selector: string): Iterable<Part> }): void {
  for (const list of root.querySelectorAll(".browser")) {
    const source = list.querySelector('script[type="application/json"]');
    const entries = JSON.parse(source?.textContent ?? "[]") as {
      head: string;
      text: string;
      lines: string;
      kind: string;
    }[];
    const slots = [...list.querySelectorAll(".entry")];
    const [find, kind, back, on, where] = [".find", ".kind", ".back", ".on", ".where"].map((name) =>
      list.querySelector(name),
    );
    if (!find || !kind || !back || !on || !where) continue;
    let first = 0;
    const show = (): void => {
      const words = find.value.toLowerCase();
      const found = entries.filter(
        (entry) =>
          (kind.value === "" || entry.kind === kind.value) &&
          `${entry.head}\n${entry.text}\n${entry.lines}`.toLowerCase().includes(words),
      );
      first = Math.min(first, Math.max(0, found.length - 1));
      first -= first % Math.max(1, slots.length);
      slots.forEach((slot, i) => {
        const entry = found[first + i];
        slot.hidden = entry === undefined;
        for (const part of ["head", "text", "lines"] as const) {
          const place = slot.querySelector(`.${part}`);
          if (place) place.textContent = entry?.[part] ?? "";
        }
      });
      const last = Math.min(first + slots.length, found.length);
      where.textContent =
        found.length === 0 ? "none" : `${first + 1} to ${last} of ${found.length}`;
      back.disabled = first === 0;
      on.disabled = last >= found.length;
    };
    const turn = (by: number): void => {
      first = Math.max(0, first + by * slots.length);
      show();
    };
    const search = (): void => {
      first = 0;
      show();
    };
    find.addEventListener("input", search);
    kind.addEventListener("change", search);
    back.addEventListener("click", () => turn(-1));
    on.addEventListener("click", () => turn(1));
    show();
  }
}
