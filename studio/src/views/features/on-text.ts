/** Rows of a drawing of what fires on a text. */

/**
 * The features that fire most, the strongest first, and their activations `[features, tokens]`. What the first token makes fire is large and
 * says little: it counts only where it stands alone.
 */
export function strongestRows(
  fired: readonly (readonly { feature: number; value: number }[])[],
  most: number,
): { features: number[]; values: Float64Array } {
  const peaks = new Map<number, number>();
  for (const { feature, value } of (fired.length > 1 ? fired.slice(1) : fired).flat())
    peaks.set(feature, Math.max(value, peaks.get(feature) ?? 0));
  const features = [...peaks]
    .sort((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([feature]) => feature);
  const values = new Float64Array(features.length * fired.length);
  fired.forEach((own, column) => {
    for (const { feature, value } of own) {
      const row = features.indexOf(feature);
      if (row >= 0) values[row * fired.length + column] = value;
    }
  });
  return { features, values };
}
