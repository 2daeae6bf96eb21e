/** The parameters of the view. Its worked examples need no file: harmless stand-ins, and questions that the bundled model answers. */
import { STAND_IN_BEGINS, STAND_INS, standInContrast } from "../../../../src/safety/stand-ins.ts";

export const PARTS = {
  groups: "13 groups",
  refusals: "Refusals",
  direction: "Direction",
  report: "Before and after",
} as const;
export type Part = keyof typeof PARTS;

/** One prompt in a line. */
const lines = (texts: readonly string[]): string =>
  texts.map((text) => text.replaceAll("\n", "\\n")).join("\n");
const { positive, negative } = standInContrast();

export const DEFAULTS = {
  part: "groups",
  model: "",
  /** Files and folders of the home's data. */
  sentences: STAND_INS,
  prompts: STAND_INS,
  panel: STAND_INS,
  /** Sentences or prompts at most; 0 for all. */
  limit: 0,
  /** Runs beside each other. */
  scores: [] as readonly string[],
  answers: [] as readonly string[],
  /** A fine-tune that keeps secrets, on its way. */
  lesson: "",
  report: "",
  /** Of the items below. */
  show: "all",
  find: "",
  positive: lines(positive),
  negative: lines(negative),
  begins: STAND_IN_BEGINS.join("\n"),
  max_divergence: 0.1,
  min_added_score: 0,
  /** The block whose direction is taken; -1 for the best. */
  layer: -1,
  /** A kept control vector instead of prompts. */
  vector: "",
  prompt: "Instruct: Is 12 even or odd?\nOutput:",
  edit: "out",
  strength: -1,
  max_tokens: 24,
  against: "",
  direction: "",
  tasks: [] as readonly string[],
} as const;

/** Runs that fit beside each other. */
export const MOST_RUNS = 4;
