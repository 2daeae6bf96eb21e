/** The rule of every operation that has a derivative, by the name that its results carry. */
import { recomputationRules } from "../checkpointed.ts";
import type { Rules } from "../rule.ts";
import { attentionRules } from "./attention.ts";
import { elementwiseRules } from "./elementwise.ts";
import { layoutRules } from "./layout.ts";
import { lookupRules } from "./lookup.ts";
import { lossRules } from "./loss.ts";
import { productRules } from "./product.ts";
import { rowRules } from "./rows.ts";

export const rules: Rules = {
  ...elementwiseRules,
  ...layoutRules,
  ...productRules,
  ...rowRules,
  ...attentionRules,
  ...lookupRules,
  ...lossRules,
  ...recomputationRules,
};
