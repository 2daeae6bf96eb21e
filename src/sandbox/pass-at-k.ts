import { LabError } from "../base/errors.ts";

/**
 * The chance that at least one of `k` samples passes, estimated without bias from `samples` of which `passed` did:
 * 1 − C(n−c, k) / C(n, k), as a product that does not overflow (Chen et al. 2021, arXiv 2107.03374, §2.1 and figure 3).
 */
export function passAtK({
  samples,
  passed,
  k,
}: {
  samples: number;
  passed: number;
  k: number;
}): number {
  const isCount = (x: number): boolean => Number.isInteger(x) && x >= 0;
  if (
    !isCount(samples) ||
    !isCount(passed) ||
    passed > samples ||
    !isCount(k) ||
    k < 1 ||
    k > samples
  )
    throw new LabError("bad_input", `pass@${k} of ${passed} passed among ${samples} samples`, {
      hint: "It takes at least k samples.",
    });
  if (samples - passed < k) return 1;
  let missed = 1;
  for (let i = samples - passed + 1; i <= samples; i++) missed *= 1 - k / i;
  return 1 - missed;
}
