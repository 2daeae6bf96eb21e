/** A drawing that the pages about dictionaries share. */
import { barChart } from "../../report/bar-chart.ts";

/** How many features fire how often, by powers of ten. */
export function densityChart(featureDensity: ArrayLike<number>): ReturnType<typeof barChart> {
  const decades = [0, -1, -2, -3, -4, -5];
  const counts = new Map<number, number>();
  let never = 0;
  for (let s = 0; s < featureDensity.length; s++) {
    const density = featureDensity[s] as number;
    if (density === 0) never++;
    else {
      const decade = Math.max(-5, Math.min(0, Math.ceil(Math.log10(density))));
      counts.set(decade, (counts.get(decade) ?? 0) + 1);
    }
  }
  return barChart({
    title: "How often features fire.",
    description: "Features by the share of tokens for which they fire.",
    x: { title: "features" },
    bars: [
      ...decades.map((decade) => ({
        label: `up to ${10 ** decade}`,
        value: counts.get(decade) ?? 0,
      })),
      { label: "never", value: never },
    ],
  });
}
