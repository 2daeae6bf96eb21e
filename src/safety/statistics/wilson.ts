/** How sure a share is that was counted. */

/** The 97.5 % point of the normal distribution. */
const Z = 1.959963984540054;

/**
 * The 95 % interval of a share by Wilson's score (Wilson 1927, doi:10.1080/01621459.1927.10502953): it stays within 0 and 1, and has a width where nothing or
 * everything was counted.
 *
 * @param of - more than 0
 */
export function wilsonInterval(count: number, of: number): readonly [low: number, high: number] {
  const share = count / of;
  const square = Z ** 2 / of;
  const centre = (share + square / 2) / (1 + square);
  const half = (Math.sqrt((share * (1 - share)) / of + square / (4 * of)) * Z) / (1 + square);
  // Where nothing or everything was counted, rounding must not move the end.
  return [count === 0 ? 0 : centre - half, count === of ? 1 : centre + half];
}
