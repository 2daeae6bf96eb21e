/** A text up to the first of each stop string, in turn: what lm-evaluation-harness does with what a model wrote. */
export function cutAtStops(text: string, until: readonly string[]): string {
  return until.reduce((rest, stop) => rest.split(stop, 1)[0] ?? "", text);
}
