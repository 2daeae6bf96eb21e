/** What the pages of analyses share: how heads, layers and tokens are called, and the facts about a run. */
import { visibleTokenText } from "../../report/figure.ts";
import { tokenName } from "../answers.ts";
import type { LanguageModel } from "../../generate/language-model.ts";

/** Tokens of a prompt with their positions, which tell equal ones apart: `5 Mary`. */
export function tokenLabels(
  model: Pick<LanguageModel, "tokenizer" | "hasTokenizer">,
  ids: readonly number[],
): string[] {
  return ids.map((id, i) => `${i} ${visibleTokenText(tokenName(model, id)).replace(/^·/, "")}`);
}

export function headLabels(count: number): string[] {
  return Array.from({ length: count }, (_, head) => `H${head}`);
}

export function layerLabels(count: number): string[] {
  return Array.from({ length: count }, (_, layer) => `L${layer}`);
}

/** What stands at the head of a page: model, mode, how to repeat it. */
export type Facts = readonly (readonly [name: string, value: string])[];

export interface PageInput {
  title: string;
  subtitle?: string;
  facts: Facts;
}
