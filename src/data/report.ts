/**
 * A corpus as a page: its data card (sources, licences, hashes), what each stage took out and why, how long texts are, documents
 * that stayed beside documents that went, and hits on benchmarks beside the items that they are of.
 */
import path from "node:path";
import { formatBytes, formatCount, formatPercent } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import { barChart } from "../report/bar-chart.ts";
import { html, type Html } from "../report/html.ts";
import { page, section } from "../report/page.ts";
import { readLines } from "../base/lines.ts";
import { readCorpus, type Corpus } from "./corpus.ts";
import { readBenchmark } from "./decontaminate/benchmark.ts";
import { TAU_LEVELS, type Hit } from "./decontaminate/stage.ts";
import type { Document, RejectedDocument } from "./document.ts";

/** Documents of each kind that the page shows, and characters of each. */
const SHOWN = 5;
const SHOWN_TEXT = 1_500;
/** Hits on benchmarks that the page shows; the result counts them all. */
const SHOWN_HITS = 100;

export interface CorpusReport {
  /** The text of the page. */
  page: string;
  /** Of each benchmark that something was found of: which items have something similar at each tau. */
  similar: Record<string, SimilarItems>;
}

/** Items with a hit, by level; those of a benchmark that are not named have nothing similar in the corpus. */
interface SimilarItems extends JsonObject {
  ngram: string[];
  ast: Record<string, string[]>;
  embedding: string[];
}

interface Found {
  document: Document;
  hit: Hit;
}

/**
 * @param benchmarks - files whose items are shown beside the hits on them
 * @throws LabError as `readCorpus` and `readBenchmark` do
 */
export async function corpusReport(
  corpus: Corpus,
  { benchmarks = [] }: { benchmarks?: readonly string[] } = {},
): Promise<CorpusReport> {
  const { manifest, sha256 } = corpus;
  const lengths = new Map<number, number>();
  const kept: Document[] = [];
  const found: Found[] = [];
  let documents = 0;
  for await (const document of readCorpus(corpus)) {
    documents++;
    const bucket = Math.floor(Math.log2(Math.max(1, document.text.length)));
    lengths.set(bucket, (lengths.get(bucket) ?? 0) + 1);
    if (kept.length < SHOWN) kept.push(document);
    for (const hit of hitsOf(document)) found.push({ document, hit });
  }
  const rejected = new Map<string, RejectedDocument[]>();
  for (const { name } of manifest.rejectedParts)
    for await (const { text } of readLines(path.join(corpus.folder, name))) {
      const document = JSON.parse(text ?? "{}") as RejectedDocument;
      const { stage, rule } = document.rejected;
      const list = rejected.get(`${stage}: ${rule}`) ?? [];
      rejected.set(`${stage}: ${rule}`, list);
      if (list.length < SHOWN) list.push(document);
      for (const hit of hitsOf(document)) found.push({ document, hit });
    }
  const items = new Map<string, string>();
  for (const item of (await Promise.all(benchmarks.map(readBenchmark))).flat())
    items.set(`${item.benchmark} ${item.id}`, item.code ?? item.text);
  const bytes = manifest.parts.reduce((sum, { textBytes }) => sum + textBytes, 0);
  const body = html`${section("Data card", cardTable(corpus))}
  ${section("Stages", ...manifest.history.map(stageChart))}
  ${section("Lengths", lengthChart(lengths))}
  ${found.length > 0 && section("Benchmarks", ...hitList(found, items))}
  ${section("Documents that stayed", ...kept.map((document) => sample(document, document.id)))}
  ${section("Documents that went", ...[...rejected].map(([rule, list]) => rejectedList(rule, list)))}`;
  return {
    page: page({
      title: `Corpus ${manifest.name}`,
      facts: [
        ["documents", formatCount(documents)],
        ["text", formatBytes(bytes)],
        ["bad rows", formatCount(manifest.quarantined)],
        ["sha256", sha256],
      ],
      body,
    }),
    similar: similarItems(found.map(({ hit }) => hit)),
  };
}

function hitsOf({ metadata }: Document): readonly Hit[] {
  const hits: unknown = metadata["contamination"];
  return Array.isArray(hits) ? (hits as Hit[]) : [];
}

/** Which items have something similar, by method and level. */
function similarItems(hits: readonly Hit[]): Record<string, SimilarItems> {
  const similar: Record<string, SimilarItems> = {};
  for (const benchmark of [...new Set(hits.map((hit) => hit.benchmark))].sort()) {
    const own = hits.filter((hit) => hit.benchmark === benchmark);
    const names = (fits: (hit: Hit) => boolean): string[] =>
      [...new Set(own.filter(fits).map(({ item }) => item))].sort();
    similar[benchmark] = {
      ngram: names(({ method }) => method === "ngram"),
      ast: Object.fromEntries(
        TAU_LEVELS.map((tau) => [
          String(tau),
          names(({ method, value }) => method === "ast" && value >= tau),
        ]),
      ),
      embedding: names(({ method }) => method === "embedding"),
    };
  }
  return similar;
}

function cardTable({ manifest }: Corpus): Html {
  const rows = Object.entries(manifest.sources).map(
    ([source, { documents, textBytes, licences }]) => [
      source,
      formatCount(documents),
      formatBytes(textBytes),
      Object.entries(licences)
        .map(([licence, count]) => `${licence} (${formatCount(count)})`)
        .join(", "),
    ],
  );
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${["source", "documents", "text", "licences"].map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
    <p>
      Made from
      ${manifest.inputs.map(({ name, sha256 }) => `${name} (${sha256.slice(0, 12)})`).join(", ")}.
    </p>
  </div>`;
}

function stageChart({
  stage,
  documents,
  kept,
  rejected,
  changes,
  options,
}: Corpus["manifest"]["history"][number]): Html {
  const share = (count: number): string => formatPercent(documents === 0 ? 0 : count / documents);
  const bars = [
    { label: "kept", value: kept, note: share(kept) },
    ...Object.entries(rejected)
      .sort(([, a], [, b]) => b - a)
      .map(([label, value]) => ({ label, value, note: share(value), muted: true })),
  ];
  const changed = Object.entries(changes).map(([name, count]) => `${name} ${formatCount(count)}`);
  return barChart({
    title: `${stage}: ${formatCount(kept)} of ${formatCount(documents)} stay`,
    description: `${changed.length > 0 ? `Changes: ${changed.join(", ")}. ` : ""}Options: ${JSON.stringify(options)}`,
    bars,
    x: { title: "documents" },
    format: formatCount,
  });
}

function lengthChart(lengths: ReadonlyMap<number, number>): Html {
  const bars = [...lengths]
    .sort(([a], [b]) => a - b)
    .map(([bucket, value]) => ({ label: `${2 ** bucket}–${2 ** (bucket + 1) - 1}`, value }));
  if (bars.length === 0) return html`<p>No document is left.</p>`;
  return barChart({
    title: "Characters of a document",
    bars,
    x: { title: "documents" },
    format: formatCount,
  });
}

function hitList(found: readonly Found[], items: ReadonlyMap<string, string>): Html[] {
  const sorted = [...found].sort((a, b) => b.hit.value - a.hit.value);
  const shown = sorted.slice(0, SHOWN_HITS).map(({ document, hit }) => {
    const item = items.get(`${hit.benchmark} ${hit.item}`);
    return html`<details>
      <summary>${hit.benchmark} ${hit.item}: ${hit.method} ${hit.value}, ${document.id}</summary>
      <p>${"The item"}</p>
      <pre>${"\n"}${item ?? "Name the benchmark's file with --benchmarks to see it here."}</pre>
      <p>${"The document"}</p>
      <pre>${"\n"}${document.text.slice(0, SHOWN_TEXT)}</pre>
    </details>`;
  });
  const note = html`<p class="note">
    ${formatCount(found.length)} hits; shown are at most ${SHOWN_HITS}, the surest first.
  </p>`;
  return [note, ...shown];
}

function rejectedList(rule: string, list: readonly RejectedDocument[]): Html {
  return html`<details>
    <summary>${rule}</summary>
    ${list.map((document) => sample(document, document.id))}
  </details>`;
}

function sample({ text }: Document, title: string): Html {
  const cut = text.length > SHOWN_TEXT ? `${text.slice(0, SHOWN_TEXT)} …` : text;
  return html`<article>
    <p><strong>${title}</strong></p>
    <pre>${"\n"}${cut}</pre>
  </article>`;
}
