/** Looks at every step's loss and gradient norm: is it out of line with the last ones, has the run come apart? */
import { LabError } from "../base/errors.ts";
import { formatNumber } from "../base/format.ts";

/** What steps are compared with: as many as in llm.c. */
const WINDOW = 128;
/** Fewer say too little about what is usual. */
const LEAST = 32;
/** Standard deviations from the mean of the window that make an outlier. */
const OUTLIER_Z = 6;
/** Steps whose mean loss is where the run began. */
const FIRST_STEPS = 10;
/** So many steps in a row with twice the loss of the beginning (and 1 nat) and the run has come apart. */
const DIVERGED_STEPS = 10;

export interface Outlier {
  /** Standard deviations above the mean. */
  z: number;
  /** For people. */
  message: string;
}

export interface WatchState {
  recent: { losses: number[]; gradNorms: number[] };
  first_losses: number[];
}

export class StepWatch {
  readonly #losses: number[];
  readonly #gradNorms: number[];
  readonly #first: number[];
  #high = 0;

  constructor(state?: WatchState) {
    this.#losses = [...(state?.recent.losses ?? [])];
    this.#gradNorms = [...(state?.recent.gradNorms ?? [])];
    this.#first = [...(state?.first_losses ?? [])];
  }

  /**
   * Notes a step; gives what is out of line with the last ones, by llm.c's z-scores.
   *
   * @throws LabError `check_failed` where the loss has exploded
   */
  observe(step: number, { loss, gradNorm }: { loss: number; gradNorm: number }): Outlier[] {
    this.#assertTogether(step, loss);
    const found = [
      outlier(step, "loss", loss, this.#losses),
      outlier(step, "gradient norm", gradNorm, this.#gradNorms),
    ];
    keep(this.#losses, loss);
    keep(this.#gradNorms, gradNorm);
    return found.filter((one) => one !== undefined);
  }

  get state(): WatchState {
    return {
      recent: { losses: [...this.#losses], gradNorms: [...this.#gradNorms] },
      first_losses: [...this.#first],
    };
  }

  #assertTogether(step: number, loss: number): void {
    if (this.#first.length < FIRST_STEPS) {
      this.#first.push(loss);
      return;
    }
    const begun = mean(this.#first);
    this.#high = loss > 2 * begun + 1 ? this.#high + 1 : 0;
    if (this.#high < DIVERGED_STEPS) return;
    throw new LabError(
      "check_failed",
      `the loss has exploded: ${formatNumber(loss)} in step ${step}, where the run began with ${formatNumber(begun)}`,
      { hint: "Lower the learning rate, warm up for longer, or clip gradients (max_grad_norm)." },
    );
  }
}

function outlier(
  step: number,
  what: string,
  value: number,
  before: readonly number[],
): Outlier | undefined {
  if (before.length < LEAST) return undefined;
  const usual = mean(before);
  const deviation = Math.sqrt(mean(before.map((x) => (x - usual) ** 2)));
  const z = (value - usual) / deviation;
  if (!(z > OUTLIER_Z)) return undefined;
  return {
    z,
    message: `step ${step} is an outlier: ${what} ${formatNumber(value)}, ${z.toFixed(1)} deviations above the mean ${formatNumber(usual)} of the last ${before.length}`,
  };
}

function keep(values: number[], value: number): void {
  values.push(value);
  if (values.length > WINDOW) values.shift();
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
