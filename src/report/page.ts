/**
 * The page around every report: one file that needs nothing else and can do nothing else. Its content security policy
 * allows its own style and its own script, by hash, and no request to anywhere.
 */
import { sha256 } from "../base/hash.ts";
import { html, trusted, type Html } from "./html.ts";
import { attachBrowsers } from "./browse.ts";
import { attachGraphs } from "./graph-script.ts";
import { attachPlots } from "./interact.ts";
import { pageCss } from "./style.ts";

export interface PageOptions {
  title: string;
  subtitle?: string;
  /** What the numbers came from: model, mode, seed, threads, engine. Long ones get a line of their own. */
  facts?: readonly (readonly [name: string, value: string])[];
  body: Html;
}

/** A fact longer than this takes the whole width. */
const WIDE_FACT = 34;

/** The text of a self-contained HTML file. */
export function page({ title, subtitle, facts = [], body }: PageOptions): string {
  const script = [attachPlots, attachBrowsers, attachGraphs]
    .map((attach) => `(${attach.toString()})(document);`)
    .join("");
  const hash = Buffer.from(sha256(script), "hex").toString("base64");
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const head = html`<meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${trusted(policy)}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${title}</title>
    <style>
      ${trusted(pageCss())}
    </style>`;
  const list = facts.map(
    ([name, value]) =>
      html`<div${value.length > WIDE_FACT && html` class="wide"`}>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`,
  );
  // The script stands as it was hashed: no template may indent it.
  return `<!doctype html>
<html lang="en">
<head>
${head}
</head>
<body>
<main>
${html`<header>
  <h1>${title}</h1>
  ${subtitle !== undefined && html`<p class="subtitle">${subtitle}</p>`}
  ${facts.length > 0 && html`<dl class="facts">${list}</dl>`}
</header>`}
${body}
<footer>Made by philab. Everything on this page is in this file.</footer>
</main>
<script>${script}</script>
</body>
</html>
`;
}

/** A part of a report: a heading and drawings or paragraphs under it. */
export function section(title: string, ...content: (Html | false)[]): Html {
  return html`<section>
    <h2>${title}</h2>
    <div class="figures">${content}</div>
  </section>`;
}
