/** Which words of two texts differ: a shortest edit script (Myers 1986, "An O(ND) difference algorithm"), as ranges to mark. */

/** From a character to the one after the last. */
export type Range = readonly [from: number, to: number];

/** Words that may differ before the rest counts as different: memory grows with their square. */
const MAX_EDITS = 1_000;

export function differences(a: string, b: string): { a: Range[]; b: Range[] } {
  const [wordsA, wordsB] = [words(a), words(b)];
  const [keptA, keptB] = common(wordsA, wordsB);
  return { a: gaps(wordsA, keptA), b: gaps(wordsB, keptB) };
}

/** Runs of letters and digits, and each other character that is no white space. */
function words(text: string): { text: string; from: number }[] {
  return [...text.matchAll(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu)].map((match) => ({
    text: match[0],
    from: match.index,
  }));
}

type Words = readonly { text: string; from: number }[];

/** Places of the words of a longest common subsequence, in each. */
function common(a: Words, b: Words): [Set<number>, Set<number>] {
  const [inA, inB] = [new Set<number>(), new Set<number>()];
  const keep = (i: number, j: number): void => {
    inA.add(i);
    inB.add(j);
  };
  let start = 0;
  while (start < a.length && start < b.length && a[start]?.text === b[start]?.text)
    keep(start, start++);
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1]?.text === b[endB - 1]?.text)
    keep(--endA, --endB);
  for (const [i, j] of matches(a.slice(start, endA), b.slice(start, endB)))
    keep(start + i, start + j);
  return [inA, inB];
}

/** Furthest reaching paths for each number of edits, walked back. */
function matches(a: Words, b: Words): [number, number][] {
  const most = Math.min(MAX_EDITS, a.length + b.length);
  const reach = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let edits = 0; edits <= most; edits++) {
    trace.push(new Map(reach));
    for (let k = -edits; k <= edits; k += 2) {
      let x = goesDown(reach, { k, edits }) ? (reach.get(k + 1) ?? 0) : (reach.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x]?.text === b[x - k]?.text) x++;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trace, { x, y: x - k });
    }
  }
  return [];
}

function goesDown(
  reach: ReadonlyMap<number, number>,
  { k, edits }: { k: number; edits: number },
): boolean {
  return k === -edits || (k !== edits && (reach.get(k - 1) ?? 0) < (reach.get(k + 1) ?? 0));
}

function walkBack(
  trace: readonly ReadonlyMap<number, number>[],
  end: { x: number; y: number },
): [number, number][] {
  const found: [number, number][] = [];
  let { x, y } = end;
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const reach = trace[edits] ?? new Map<number, number>();
    const k = x - y;
    const before = goesDown(reach, { k, edits }) ? k + 1 : k - 1;
    const fromX = edits === 0 ? 0 : (reach.get(before) ?? 0);
    const fromY = edits === 0 ? 0 : fromX - before;
    while (x > fromX && y > fromY) found.push([--x, --y]);
    [x, y] = [fromX, fromY];
  }
  return found;
}

/** Runs of words that are not among the kept ones. */
function gaps(all: Words, kept: ReadonlySet<number>): Range[] {
  const ranges: Range[] = [];
  for (const [i, { text, from }] of all.entries()) {
    if (kept.has(i)) continue;
    const last = ranges.at(-1);
    if (last !== undefined && i > 0 && !kept.has(i - 1))
      ranges[ranges.length - 1] = [last[0], from + text.length];
    else ranges.push([from, from + text.length]);
  }
  return ranges;
}

/** A text in pieces, each marked or not. */
export function pieces(
  text: string,
  ranges: readonly Range[],
): { text: string; isMarked: boolean }[] {
  const found: { text: string; isMarked: boolean }[] = [];
  let at = 0;
  for (const [from, to] of ranges) {
    if (from > at) found.push({ text: text.slice(at, from), isMarked: false });
    found.push({ text: text.slice(from, to), isMarked: true });
    at = to;
  }
  if (at < text.length) found.push({ text: text.slice(at), isMarked: false });
  return found;
}
