/**
 * "Did you mean …?": the names nearest to one that was mistyped. Distance is optimal string alignment
 * (insertions, deletions, substitutions and swaps of neighbours), as in Git and Commander.
 */

/**
 * Those of `candidates` that are plausibly what was meant by `name`: the ones with the fewest edits, where these are at
 * most a third of the letters; otherwise those that one begins with the other. At most `limit`, in alphabetical order.
 */
export function nearest(name: string, candidates: Iterable<string>, limit = 3): string[] {
  const wanted = name.toLowerCase();
  let fewest = Infinity;
  let closest: string[] = [];
  const sharingStart: string[] = [];
  for (const candidate of [...new Set(candidates)].sort()) {
    const other = candidate.toLowerCase();
    const distance = editDistance(wanted, other);
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3));
    if (distance <= allowed && distance <= fewest) {
      closest = distance < fewest ? [candidate] : [...closest, candidate];
      fewest = distance;
    }
    const shorter = Math.min(wanted.length, other.length);
    if (shorter >= 3 && (other.startsWith(wanted) || wanted.startsWith(other)))
      sharingStart.push(candidate);
  }
  return (closest.length > 0 ? closest : sharingStart).slice(0, limit);
}

/** `Did you mean phi-2 or phi-1?`, or undefined where nothing is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const names = nearest(name, candidates);
  return names.length === 0 ? undefined : `Did you mean ${listOf(names, "or")}?`;
}

/** `a`, `a or b`, `a, b or c`. */
export function listOf(items: readonly string[], conjunction: "or" | "and"): string {
  if (items.length <= 1) return items.join("");
  return `${items.slice(0, -1).join(", ")} ${conjunction} ${items.at(-1)}`;
}

/** The least number of edits that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, at(beforeLast, j - 2) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

const at = (row: readonly number[], index: number): number => row[index] ?? Infinity;
