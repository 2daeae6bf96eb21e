/**
 * CPython's `random.Random` as far as few-shot prompts and bootstraps need it: the same seed draws the same examples as in
 * lm-evaluation-harness. Mersenne Twister MT19937 (Matsumoto and Nishimura 1998); methods as in CPython's Lib/random.py.
 */
import { LabError } from "../base/errors.ts";

const N = 624;
const M = 397;

export class PythonRandom {
  readonly #state = new Uint32Array(N);
  #index = N;

  /** @param seed - a whole number from 0 to 2^32 − 1 */
  constructor(seed: number) {
    this.#initByArray([seed >>> 0]);
  }

  /** A 32-bit word. */
  #word(): number {
    if (this.#index === N) this.#twist();
    let y = this.#state[this.#index++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** In [0, 1), with 53 bits. */
  random(): number {
    const a = this.#word() >>> 5;
    const b = this.#word() >>> 6;
    return (a * 67_108_864 + b) / 9_007_199_254_740_992;
  }

  /** 0 … `below` − 1, for `below` up to 2^32. */
  integer(below: number): number {
    const bits = 32 - Math.clz32(below);
    for (;;) {
      const drawn = this.#word() >>> (32 - bits);
      if (drawn < below) return drawn;
    }
  }

  /** `count` different members of a list, in random order. */
  sample<T>(population: readonly T[], count: number): T[] {
    const n = population.length;
    if (count > n) throw new LabError("bad_input", `a sample of ${count} from a list of ${n}`);
    let setSize = 21; // size of a small set minus size of an empty list
    if (count > 5) setSize += 4 ** Math.ceil(Math.log(count * 3) / Math.log(4));
    if (n <= setSize) {
      const pool = [...population];
      return Array.from({ length: count }, (_, i) => {
        const j = this.integer(n - i);
        const drawn = pool[j] as T;
        pool[j] = pool[n - i - 1] as T;
        return drawn;
      });
    }
    const selected = new Set<number>();
    return Array.from({ length: count }, () => {
      let j = this.integer(n);
      while (selected.has(j)) j = this.integer(n);
      selected.add(j);
      return population[j] as T;
    });
  }

  /** `count` members, each drawn from the whole list. */
  choices<T>(population: readonly T[], count: number): T[] {
    const n = population.length;
    return Array.from({ length: count }, () => population[Math.floor(this.random() * n)] as T);
  }

  #twist(): void {
    const s = this.#state;
    for (let i = 0; i < N; i++) {
      const y = (s[i]! & 0x80000000) | (s[(i + 1) % N]! & 0x7fffffff);
      s[i] = s[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#index = 0;
  }

  #init(seed: number): void {
    const s = this.#state;
    s[0] = seed;
    for (let i = 1; i < N; i++) {
      const before = s[i - 1]! ^ (s[i - 1]! >>> 30);
      s[i] = Math.imul(1_812_433_253, before) + i;
    }
  }

  #initByArray(key: readonly number[]): void {
    this.#init(19_650_218);
    const s = this.#state;
    let [i, j] = [1, 0];
    const wrap = (): void => {
      if (i < N) return;
      s[0] = s[N - 1]!;
      i = 1;
    };
    for (let k = Math.max(N, key.length); k > 0; k--) {
      const before = s[i - 1]! ^ (s[i - 1]! >>> 30);
      s[i] = (s[i]! ^ Math.imul(before, 1_664_525)) + (key[j] ?? 0) + j;
      i++;
      j = (j + 1) % key.length;
      wrap();
    }
    for (let k = N - 1; k > 0; k--) {
      const before = s[i - 1]! ^ (s[i - 1]! >>> 30);
      s[i] = (s[i]! ^ Math.imul(before, 1_566_083_941)) - i;
      i++;
      wrap();
    }
    s[0] = 0x80000000;
    this.#index = N;
  }
}
