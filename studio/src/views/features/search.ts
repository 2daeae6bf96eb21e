/** Looking for features in a survey. */
import type { FeatureSummary } from "../../api/features.ts";

export const SORTS = {
  density: "how often it fires",
  seldom: "how seldom it fires",
  most: "its largest activation",
  feature: "its number",
} as const;
export type Sort = keyof typeof SORTS;

export interface Search {
  find: string;
  sort: Sort;
  /** Density at most. */
  often: number;
}

/** A word of the search is in the label, in a token that it fires on or promotes, or is the number. */
export function findFeatures(
  features: readonly FeatureSummary[],
  labels: Readonly<Record<string, string>>,
  { find, sort, often }: Search,
): FeatureSummary[] {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ feature, density, fires, promotes }: FeatureSummary): boolean => {
    if (density > often) return false;
    const text = [labels[feature] ?? "", ...fires, ...promotes].join("\n").toLowerCase();
    return words.every((word) => text.includes(word) || word === String(feature));
  };
  const by: Record<Sort, (a: FeatureSummary, b: FeatureSummary) => number> = {
    density: (a, b) => b.density - a.density,
    // What never fires is of no interest there.
    seldom: (a, b) => (a.density || Infinity) - (b.density || Infinity),
    most: (a, b) => b.most - a.most,
    feature: (a, b) => a.feature - b.feature,
  };
  return features.filter(fits).sort(by[sort]);
}
