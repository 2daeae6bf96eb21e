/** A direction from two lists of prompts, with all that stood for choice and a random one beside it. */
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { randomDirection } from "../../interpret/logit-attribution.ts";
import {
  tryDirection,
  tryDirections,
  type Candidate,
  type Contrast,
  type SelectionOptions,
  type Trial,
  type TriedDirections,
} from "./select.ts";

/** The share of prompts that directions are read from; the others try them. */
const TRAIN_SHARE = 2 / 3;

export interface ExploreOptions extends Omit<SelectionOptions, "tokens"> {
  /** How an answer with the behaviour begins: the first token of each counts. */
  begins: readonly string[];
  /** Of the random direction. */
  seed: number;
  /** Takes the direction of this block instead of the best. */
  layer?: number | undefined;
}

export interface ExploredDirection extends TriedDirections {
  /** As long as the chosen one, or as the first candidate where none can be chosen. */
  control: Trial & { values: Float32Array };
  /** What the directions were tried on. */
  validation: Contrast;
}

/**
 * Reads directions from the first two thirds of each list and tries them on the rest.
 *
 * @throws LabError `bad_input` for lists of fewer than two prompts, and for a block that there is not
 */
export async function exploreDirection(
  model: LanguageModel,
  { positive, negative }: Contrast,
  { begins, seed, layer, ...options }: ExploreOptions,
): Promise<ExploredDirection> {
  const { layers } = model.config;
  if (layer !== undefined && layer >= layers)
    throw new LabError("bad_input", `the model has layers 0…${layers - 1}, not ${layer}`);
  const tokens = begins.map((text) => model.tokenizer.encode(text)[0] ?? -1);
  const split = (lines: readonly string[]): [string[], string[]] => {
    const end = Math.max(1, Math.floor(TRAIN_SHARE * lines.length));
    return [lines.slice(0, end), lines.slice(end)];
  };
  const [trainPositive, tryPositive] = split(positive);
  const [trainNegative, tryNegative] = split(negative);
  const train = { positive: trainPositive, negative: trainNegative };
  const validation = { positive: tryPositive, negative: tryNegative };
  const {
    chosen: best,
    candidates,
    before,
  } = await tryDirections(model, { train, validation }, { tokens, ...options });
  const chosen =
    layer === undefined ? best : candidates.find((candidate) => candidate.layer === layer);
  const beside = (chosen ?? candidates[0]) as Candidate;
  const values = Float32Array.from(randomDirection(beside.values, seed));
  const trial = await tryDirection(model, { ...beside, values }, validation, {
    ...{ tokens, signal: options.signal, adapter: options.adapter },
  });
  return {
    ...(chosen === undefined ? {} : { chosen }),
    ...{ candidates, before, validation },
    control: { ...trial, values },
  };
}
