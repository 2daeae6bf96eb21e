/** What the endpoints over corpora have in common. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import { BROWSED, TOKENS, type CorpusIndex } from "../../data/browse/corpus-index.ts";
import { readAnnotations, type Annotation } from "../../data/judge/annotate.ts";
import { JSON_TYPE, type RouteContext } from "../http/route.ts";
import { dataName } from "./data-sets.ts";

const MAX_PAGE = 100;
/** Characters of a text that a list shows. */
const BEGINNING = 240;

export const which = z
  .enum(BROWSED)
  .default("kept")
  .describe("documents that stayed, or that went");
export const page = {
  offset: z.int().min(0).default(0),
  limit: z.int().min(1).max(MAX_PAGE).default(20),
};
export const score = z.string().min(1).max(200);

export const nameOf = ({ params }: Pick<RouteContext, "params">): string => {
  const name = dataName.safeParse(params["name"]);
  if (name.success) return name.data;
  throw new LabError("not_found", "there is no data set of that name");
};

/** A document as lists show it. */
export async function brief(
  index: CorpusIndex,
  { row, ratings: known }: { row: number; ratings: readonly Annotation[] },
): Promise<object> {
  const { text, metadata: _metadata, ...about } = await index.read(row);
  const tokens = index.scores.includes(TOKENS) ? { tokens: index.column(TOKENS)[row] } : {};
  return {
    ...about,
    ...tokens,
    characters: text.length,
    beginning: text.slice(0, BEGINNING),
    rating: known.findLast(({ id }) => id === about.id)?.rating ?? null,
  };
}

export async function ratingsOf(
  context: Pick<RouteContext, "runs" | "params">,
): Promise<Annotation[]> {
  const file = await context.runs.corpora.ratingsFile(nameOf(context));
  return readAnnotations(file).catch((error: unknown) => {
    const found = LabError.from(error);
    if (found.code === "not_found") return [];
    throw found;
  });
}

export function json(value: unknown): Response {
  return new Response(toJson(value), { headers: { "content-type": JSON_TYPE } });
}
