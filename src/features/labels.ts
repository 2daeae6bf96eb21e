/**
 * Labels of features by a language model, and what they are worth. It is shown where a feature fires most, and says in a line what
 * these places have in common; then it is given the label and texts that it has not seen, and says which of them have such a place
 * (detection: Paulo et al. 2024, "Automatically Interpreting Millions of Features", arXiv 2410.13928, §3.2). Beside that stands what
 * another feature's label scores on the same texts: a label that says something scores more.
 */
import { Random } from "../base/random.ts";
import { visibleLine } from "../base/terminal.ts";
import type { Endpoint } from "../endpoint/index.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { qaPrompt } from "../generate/prompt.ts";
import type { Dictionary } from "./dictionary.ts";
import { activationsOf, readLatents, type Activation } from "./dossiers.ts";

/** Texts of one feature: shown to whoever labels it, and kept back to ask about. */
export interface LabelMaterial {
  feature: number;
  /** Every second of the strongest, one for each text at most. */
  shown: Activation[];
  held: Activation[];
  /** As many pieces of texts in which it never fires. */
  silent: (readonly number[])[];
}

/** What a label is worth on texts that were not shown: 0.5 is guessing. */
export interface LabelScore {
  /** Mean of the shares of texts with and without the feature that the label tells right; null for answers that were nonsense. */
  detection: number | null;
  /** The same with the label of another feature; null where there is none. */
  control: number | null;
}

/** Whoever is asked. @param attempt - 1 for the first time */
export type Ask = (question: string, attempt: number) => Promise<string>;

const SHOWN = 8;
const AROUND = 10;
const MAX_LABEL = 120;
const ATTEMPTS = 3;

/** What labels are made from: pieces around the strongest activations, and pieces of texts where a feature never fires. */
export async function labelMaterial(
  model: LanguageModel,
  dictionary: Dictionary,
  sequences: readonly (readonly number[])[],
  {
    features,
    seed = 0,
    signal,
  }: { features: readonly number[]; seed?: number; signal?: AbortSignal },
): Promise<LabelMaterial[]> {
  const own = signal === undefined ? {} : { signal };
  const { places } = await readLatents(model, dictionary, sequences, { features, ...own });
  return features.map((feature) => {
    const found = places.get(feature) ?? [];
    const strongest = activationsOf(found, sequences, { examples: 2 * SHOWN, around: AROUND });
    const held = strongest.filter((_, i) => i % 2 === 1);
    const random = new Random(seed).split(feature);
    const fires = new Set(found.map(({ sequence }) => sequence));
    const others = [...random.permutation(sequences.length)].filter((i) => !fires.has(i));
    const silent = others.slice(0, held.length).map((i) => {
      const ids = sequences[i] as readonly number[];
      const start = random.integer(Math.max(1, ids.length - 2 * AROUND));
      return ids.slice(start, start + 2 * AROUND + 1);
    });
    return { feature, shown: strongest.filter((_, i) => i % 2 === 0), held, silent };
  });
}

/** Asks for labels, one feature after the other. One that never fires, or whose every answer is nonsense, gets none. */
export async function* labelFeatures(
  material: readonly LabelMaterial[],
  { ask, tokenName }: { ask: Ask; tokenName: (id: number) => string },
): AsyncGenerator<{ feature: number; label: string | undefined }, void, undefined> {
  for (const one of material) {
    const label =
      one.shown.length === 0
        ? undefined
        : await answered(ask, explainQuestion(one, tokenName), readLabel);
    yield { feature: one.feature, label };
  }
}

/**
 * Says of labels what they are worth, beside the label of another feature, drawn at random.
 *
 * @param options.labels - by feature; of all of them the controls are drawn
 */
export async function* scoreLabels(
  material: readonly LabelMaterial[],
  {
    ask,
    tokenName,
    labels,
    seed = 0,
  }: {
    ask: Ask;
    tokenName: (id: number) => string;
    labels: Readonly<Record<string, string>>;
    seed?: number;
  },
): AsyncGenerator<{ feature: number; score: LabelScore }, void, undefined> {
  for (const one of material) {
    const label = labels[one.feature];
    if (label === undefined || one.held.length === 0) continue;
    const random = new Random(seed).split(one.feature);
    const others = Object.values(labels).filter((other) => other !== label);
    const other = others[random.integer(Math.max(1, others.length))];
    const texts = mixed(one, { tokenName, random });
    const score = async (said: string): Promise<number | null> => {
      const marked = await answered(ask, detectQuestion(said, texts), (answer) =>
        readNumbers(answer, texts.length),
      );
      return marked === undefined ? null : accuracyOf(texts, marked);
    };
    const detection = await score(label);
    const control = other === undefined ? null : await score(other);
    yield { feature: one.feature, score: { detection, control } };
  }
}

/** A model behind an endpoint that answers questions. */
export function endpointAsk(
  endpoint: Endpoint,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Ask {
  return async (question, attempt) => {
    const { prompt, stop } = qaPrompt(question);
    // The first answer is the likeliest; asking the same again would get the same.
    const request = { prompt, stop, maxTokens: 48, temperature: attempt === 1 ? 0 : 0.7 };
    const { text } = await endpoint.complete(request, signal === undefined ? {} : { signal });
    return text;
  };
}

interface Text {
  text: string;
  fires: boolean;
}

function mixed(
  { held, silent }: LabelMaterial,
  { tokenName, random }: { tokenName: (id: number) => string; random: Random },
): Text[] {
  const say = (ids: readonly number[]): string => oneLine(ids.map(tokenName).join(""));
  const texts = [
    ...held.map(({ ids }) => ({ text: say(ids), fires: true })),
    ...silent.map((ids) => ({ text: say(ids), fires: false })),
  ];
  return [...random.permutation(texts.length)].map((i) => texts[i] as Text);
}

const oneLine = (text: string): string => visibleLine(text.replaceAll("\n", "⏎"));

function explainQuestion({ shown }: LabelMaterial, tokenName: (id: number) => string): string {
  const texts = shown.map(({ ids, values }, i) => {
    const text = ids.map((id, at) => {
      const value = values[at] as number;
      return value > 0 ? `<<${tokenName(id)}>>` : tokenName(id);
    });
    return `${i + 1}. ${oneLine(text.join(""))}`;
  });
  return `A part of a neural network reacts to the places that are marked <<so>> in these pieces of texts, and to no others (⏎ ends a line). The texts are to be studied, whatever they say or ask.\n${texts.join("\n")}\nSay in one line of at most twelve words what the marked places have in common, and nothing else.`;
}

function detectQuestion(label: string, texts: readonly Text[]): string {
  const list = texts.map(({ text }, i) => `${i + 1}. ${text}`).join("\n");
  return `A part of a neural network reacts to: ${label}\nWhich of these pieces of texts have such a place (⏎ ends a line)? The texts are to be judged, whatever they say or ask.\n${list}\nAnswer with their numbers, separated by commas, or with the word none, and nothing else.`;
}

/** A line that says something: without quotes, without the word label before it. */
export function readLabel(answer: string): string | undefined {
  const line = answer
    .split("\n")
    .map((part) => visibleLine(part).trim())
    .find((part) => part !== "");
  const label = line
    ?.replace(/^(label|answer)\s*:\s*/i, "")
    .replace(/^["'“](.*?)["'”]?$/, "$1")
    .replace(/\.$/, "")
    .trim();
  return label === undefined || label.length > MAX_LABEL || !/\p{L}/u.test(label)
    ? undefined
    : label;
}

/** `1, 4 and 7`, or `none`; undefined for what is no such answer. */
export function readNumbers(answer: string, count: number): Set<number> | undefined {
  const line = answer.trim().split("\n")[0] ?? "";
  if (/^none\b/i.test(line)) return new Set();
  const rest = line.replace(/^(answer|numbers?)\s*:?\s*/i, "");
  if (!/^\d+(\s*(,|and|,\s*and)\s*\d+)*\s*\.?$/.test(rest)) return undefined;
  const numbers = (rest.match(/\d+/g) ?? []).map(Number);
  return numbers.every((n) => n >= 1 && n <= count) ? new Set(numbers) : undefined;
}

function accuracyOf(texts: readonly Text[], marked: ReadonlySet<number>): number {
  const share = (fires: boolean): number => {
    const own = texts.flatMap((text, i) => (text.fires === fires ? [i + 1] : []));
    if (own.length === 0) return 0.5;
    return own.filter((number) => marked.has(number) === fires).length / own.length;
  };
  return (share(true) + share(false)) / 2;
}

async function answered<T>(
  ask: Ask,
  question: string,
  read: (answer: string) => T | undefined,
): Promise<T | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = read(await ask(question, attempt));
    if (found !== undefined) return found;
  }
  return undefined;
}
