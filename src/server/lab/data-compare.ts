/** `/v1/lab/data/*`: scores of a corpus, cut; its duplicates and benchmark items beside each other. */
import { z } from "zod";
import {
  contaminated,
  contaminationOf,
  countDuplicates,
  duplicatePairs,
} from "../../data/browse/beside.ts";
import { cutAt, histogram } from "../../data/browse/cut.ts";
import { defineRoute, JSON_TYPE, type Route } from "../http/route.ts";
import { brief, json, nameOf, page, ratingsOf, score, which } from "./data-common.ts";

const scores = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/histogram",
  summary: "How a score is spread over the documents",
  body: z.strictObject({ which, score, bins: z.int().min(1).max(400).default(60) }),
  answers: [JSON_TYPE],
  async handle(context, { which: part, score: name, bins }) {
    return json(histogram(await context.runs.corpora.index(nameOf(context), part), name, bins));
  },
});

const cut = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/cut",
  summary: "What stays above a threshold, and documents on both sides of it",
  body: z.strictObject({
    ...{ which, score, threshold: z.number() },
    samples: z.int().min(0).max(20).default(4),
  }),
  answers: [JSON_TYPE],
  async handle(context, { which: part, ...asked }) {
    const index = await context.runs.corpora.index(nameOf(context), part);
    const { above, below, ...found } = cutAt(index, asked);
    const known = await ratingsOf(context);
    const briefs = (rows: readonly number[]): Promise<object[]> =>
      Promise.all(rows.map((row) => brief(index, { row, ratings: known })));
    return json({ ...found, above: await briefs(above), below: await briefs(below) });
  },
});

const duplicates = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/duplicates",
  summary: "Documents that were taken out as duplicates, beside those that stayed",
  body: z.strictObject(page),
  answers: [JSON_TYPE],
  async handle(context, asked) {
    const indexes = await context.runs.corpora.indexes(nameOf(context));
    return json({
      total: countDuplicates(indexes),
      pairs: await duplicatePairs(indexes, asked),
    });
  },
});

const contamination = defineRoute({
  method: "POST",
  path: "/v1/lab/data/:name/contamination",
  summary: "Documents with something of a benchmark, beside its items, with the words in a row",
  body: z.strictObject(page),
  answers: [JSON_TYPE],
  async handle(context, { offset, limit }) {
    const { corpora: found } = context.runs;
    const indexes = await found.indexes(nameOf(context));
    const places = contaminated(indexes);
    const { missing, ...benchmarks } = await found.benchmarkItems(indexes.kept.corpus);
    const shown = places.slice(offset, offset + limit);
    return json({
      total: places.length,
      missing,
      documents: await Promise.all(
        shown.map((place) => contaminationOf(indexes[place.which], place, benchmarks)),
      ),
    });
  },
});

export const DATA_COMPARE_ROUTES: readonly Route[] = [scores, cut, duplicates, contamination];
