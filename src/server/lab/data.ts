/** `/v1/lab/data/*`: corpora, browsed, rated and cut. Each is named; nothing that a request says is a path. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { contaminated, countDuplicates } from "../../data/browse/beside.ts";
import { CHARACTERS, TOKENS, type CorpusIndex } from "../../data/browse/corpus-index.ts";
import { amount } from "../../data/browse/cut.ts";
import { idHash } from "../../data/dedup/survey.ts";
import type { Document } from "../../data/document.ts";
import { HIGHEST, LOWEST, putAnnotation } from "../../data/judge/annotate.ts";
import { openTokenizer } from "../../generate/open-tokenizer.ts";
import { defineRoute, JSON_TYPE, type Route } from "../http/route.ts";
import { brief, json, nameOf, page, ratingsOf, which } from "./data-common.ts";

const label = z.string().max(1000).optional();
const documentId = z.string().min(1).max(4000);

const corpora = defineRoute({
  method: "GET",
  path: "/v1/lab/corpora",
  summary: "Data sets that are corpora, and how large they are",
  answers: [JSON_TYPE],
  async handle({ runs }) {
    return json({ corpora: await runs.corpora.list() });
  },
});

const describe = defineRoute({
  method: "GET",
  path: "/v1/lab/data/:name",
  summary: "A corpus: sources and licences, what each stage took out, the scores of its documents",
  answers: [JSON_TYPE],
  async handle(context) {
    const { runs } = context;
    const name = nameOf(context);
    const { kept, rejected } = await runs.corpora.indexes(name);
    const { manifest, sha256: hash } = kept.corpus;
    const about = (index: CorpusIndex): object => ({
      ...amount(index, index.order(CHARACTERS)),
      scores: index.scores,
      sources: index.labels("source"),
      licences: index.labels("licence"),
      languages: index.labels("language"),
    });
    return json({
      ...{ name, sha256: hash, history: manifest.history, inputs: manifest.inputs },
      ...{ sources: manifest.sources, quarantined: manifest.quarantined },
      ...{ kept: about(kept), rejected: about(rejected) },
      duplicates: countDuplicates({ kept, rejected }),
      contaminated: contaminated({ kept, rejected }).length,
    });
  },
});

const documents = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/documents",
  summary: "Documents of a corpus, searched and sorted, page by page",
  body: z.strictObject({
    which,
    search: z.string().max(1000).optional().describe("in the text or the id, in any case"),
    ...{ source: label, licence: label, language: label },
    order: z
      .string()
      .max(200)
      .default("corpus")
      .describe("corpus, sample (that of philab data annotate with seed 0), or a score's name"),
    descending: z.boolean().default(false),
    ...page,
  }),
  answers: [JSON_TYPE],
  async handle(context, { which: part, order, descending, offset, limit, ...filter }) {
    const { runs, signal } = context;
    const name = nameOf(context);
    const index = await runs.corpora.index(name, part);
    const found = await index.find(filter, { signal });
    let rows = found;
    if (order !== "corpus") {
      const isFound = new Set(found);
      rows = index.order(order).filter((row) => isFound.has(row));
    }
    const shown = descending
      ? [
          ...rows.subarray(Math.max(0, rows.length - offset - limit), rows.length - offset),
        ].reverse()
      : [...rows.subarray(offset, offset + limit)];
    const ratings = await ratingsOf(context);
    return json({
      total: rows.length,
      amount: amount(index, rows),
      documents: await Promise.all(shown.map((row) => brief(index, { row, ratings }))),
    });
  },
});

const document = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/document",
  summary: "One document, whole",
  body: z.strictObject({ which, id: documentId }),
  answers: [JSON_TYPE],
  async handle(context, { which: part, id }) {
    const index = await context.runs.corpora.index(nameOf(context), part);
    const found = await findDocument(index, id);
    const hash = sha256(found.text);
    const ratings = (await ratingsOf(context)).filter((one) => one.id === id);
    return json({
      document: found,
      sha256: hash,
      ratings: ratings.filter((one) => one.sha256 === hash),
    });
  },
});

const ratings = defineRoute({
  method: "GET",
  path: "/v1/lab/data/:name/ratings",
  summary: "What documents of a corpus were rated, in the file that philab data classify reads",
  answers: [JSON_TYPE],
  async handle(context) {
    const name = nameOf(context);
    await context.runs.corpora.open(name);
    return json({ dataSet: `${name}.ratings.jsonl`, ratings: await ratingsOf(context) });
  },
});

const rate = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/ratings",
  summary: "Rate a document, as a person; null takes the rating away",
  body: z.strictObject({
    id: documentId,
    rating: z.int().min(LOWEST).max(HIGHEST).nullable(),
  }),
  answers: [JSON_TYPE],
  async handle(context, { id, rating }) {
    const { runs } = context;
    const name = nameOf(context);
    const { text } = await findDocument(await runs.corpora.index(name, "kept"), id);
    const annotation = { id, sha256: sha256(text), rating, annotator: "person" };
    // One after the other: each reads what the last one wrote.
    await runs.corpora.inTurn(async () =>
      putAnnotation(await runs.corpora.ratingsFile(name), annotation),
    );
    return json({ ratings: (await ratingsOf(context)).length });
  },
});

const tokens = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/tokens",
  summary: "Count the tokens of every document; from then on they are a score",
  body: z.strictObject({ model: z.string().max(300).optional(), which }),
  answers: [JSON_TYPE],
  async handle(context, { model, which: part }) {
    const { fleet, runs, signal } = context;
    const index = await runs.corpora.index(nameOf(context), part);
    const { model: served } = await fleet.inventory.find(model);
    const tokenizer = await openTokenizer(await openCheckpoint(served.reference.path));
    if (tokenizer === undefined)
      throw new LabError("unsupported", `${served.id} has no tokenizer`, {
        hint: "Name another model.",
      });
    await index.countTokens((text) => tokenizer.encode(text).length, { signal });
    return json({ model: served.id, ...amount(index, index.order(TOKENS)) });
  },
});

async function findDocument(index: CorpusIndex, id: string): Promise<Document> {
  const row = index.place(idHash(id));
  if (row !== undefined) return index.read(row);
  throw new LabError("not_found", `the corpus has no document ${JSON.stringify(id.slice(0, 200))}`);
}

export const DATA_ROUTES: readonly Route[] = [
  ...[corpora, describe, documents, document, ratings, rate],
  tokens,
];
