/** Keys are looked at in steps of 1/16; all below -64 are one step. */
const BUCKETS = 1024;
const BUCKETS_PER_UNIT = 16;

const bucketWeights = new Float64Array(BUCKETS);

/** Place of a key that is at most 0: the larger the key, the lower its bucket. */
function bucketOf(key: number): number {
  const bucket = -key * BUCKETS_PER_UNIT;
  return bucket < BUCKETS ? bucket | 0 : BUCKETS - 1;
}

/**
 * The last element that is taken when elements are taken by descending key (of equal keys the earlier element first)
 * until their weights add up to `target`; the last of all when they never do. At least one is taken.
 *
 * One pass finds the bucket in which the border lies, weighted quickselect the element within it: O(n), and fast for the
 * log-probabilities that it is made for.
 *
 * @param keys - at most 0; at least one
 * @param weights - not negative, as many as keys or more
 * @param room - for the work, as long as `keys` or longer
 */
export function borderOf(
  keys: Float64Array,
  weights: Float64Array,
  target: number,
  room: Uint32Array,
): number {
  bucketWeights.fill(0);
  let last = 0;
  for (let i = 0; i < keys.length; i++) {
    const bucket = bucketOf(keys[i]!);
    bucketWeights[bucket]! += weights[i]!;
    if (bucket > last) last = bucket;
  }
  let needed = Math.max(target, Number.MIN_VALUE);
  let border = 0;
  while (border < last && bucketWeights[border]! < needed) needed -= bucketWeights[border++]!;

  let count = 0;
  for (let i = 0; i < keys.length; i++) if (bucketOf(keys[i]!) === border) room[count++] = i;
  return selectByWeight(keys, weights, needed, room.subarray(0, count));
}

/** `borderOf` among the elements that `order` lists, by Hoare's quickselect with weights for ranks; reorders `order`. */
function selectByWeight(
  keys: Float64Array,
  weights: Float64Array,
  target: number,
  order: Uint32Array,
): number {
  const before = (a: number, b: number): boolean =>
    keys[a]! > keys[b]! || (keys[a] === keys[b] && a < b);

  let low = 0;
  let high = order.length;
  let needed = target;
  while (high - low > 1) {
    const pivot = middleOfThree(order[low]!, order[(low + high) >> 1]!, order[high - 1]!, before);
    // Those before the pivot go to the front of [low, high), the pivot to its place after them.
    let place = low;
    let weight = 0;
    let pivotAt = low;
    for (let i = low; i < high; i++) {
      const element = order[i]!;
      if (element === pivot) pivotAt = i;
      else if (before(element, pivot)) {
        weight += weights[element]!;
        order[i] = order[place]!;
        order[place] = element;
        if (pivotAt === place) pivotAt = i;
        place++;
      }
    }
    order[pivotAt] = order[place]!;
    order[place] = pivot;

    if (weight >= needed) high = place;
    else {
      needed -= weight + weights[pivot]!;
      if (needed <= 0 || place + 1 === high) return pivot;
      low = place + 1;
    }
  }
  return order[low]!;
}

function middleOfThree(
  a: number,
  b: number,
  c: number,
  before: (a: number, b: number) => boolean,
): number {
  if (before(a, b)) return before(b, c) ? b : before(a, c) ? c : a;
  return before(a, c) ? a : before(b, c) ? c : b;
}
