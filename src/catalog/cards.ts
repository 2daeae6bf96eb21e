/**
 * Cards of known models: what they are, what they were made of, what they are for, what was published about them. Figures that
 * nobody published are left out, not guessed. Memory is computed, not stated (`memoryOf`).
 */
import { PUBLISHED } from "../evaluate/published.ts";

export type Architecture = {
  kind: "phi" | "llama" | "mistral" | "gpt2";
  layers: number;
  width: number;
  heads: number;
  /** Heads of keys and values. */
  keyValueHeads: number;
  mlpWidth: number;
  vocabulary: number;
  /** Tokens. */
  context: number;
};

export type ModelCard = {
  id: string;
  title: string;
  /** Where `philab pull` finds it. */
  hub?: string;
  parameters: number;
  architecture: Architecture;
  data: string;
  licence: string;
  intendedUse: string;
  limits: string;
  /** Its name in `evaluate/published.ts`, where that has scores of it. */
  published?: string;
  sources: readonly string[];
};

const PHI_LIMITS =
  "A base model: it continues text, follows instructions unreliably, states falsehoods, and was not trained from human feedback. English; Python above all other code.";

const phi = (layers: number, width: number): Architecture => ({
  ...{ kind: "phi", layers, width, heads: 32, keyValueHeads: 32, mlpWidth: 4 * width },
  ...{ vocabulary: 51_200, context: 2048 },
});

const llama = (layers: number, width: number, heads: number, mlpWidth: number): Architecture => ({
  ...{ kind: "llama", layers, width, heads, keyValueHeads: heads, mlpWidth },
  ...{ vocabulary: 32_000, context: 4096 },
});

const gpt2 = (
  id: string,
  [layers, width, heads]: [number, number, number],
  parameters: number,
): ModelCard => ({
  id,
  title: id === "gpt2" ? "GPT-2 (small)" : `GPT-2 ${id.slice("gpt2-".length)}`,
  hub: `openai-community/${id}`,
  parameters,
  architecture: {
    ...{ kind: "gpt2", layers, width, heads, keyValueHeads: heads, mlpWidth: 4 * width },
    ...{ vocabulary: 50_257, context: 1024 },
  },
  data: "WebText: 40 GB of text from pages that Reddit linked to (not published).",
  licence: "MIT (modified)",
  intendedUse: "Research; the model of the classic interpretability papers.",
  limits: "Small, of 2019, and trained on an unfiltered web.",
  sources: ["Radford et al. 2019, Language Models are Unsupervised Multitask Learners"],
});

export const CARDS: readonly ModelCard[] = [
  {
    id: "phi-1",
    title: "Phi-1",
    hub: "microsoft/phi-1",
    parameters: 1_418_270_720,
    architecture: phi(24, 2048),
    data: "Under 7 B tokens: 6 B of Python from The Stack and StackOverflow, chosen by a classifier of educational value; under 1 B of textbooks and 180 M of exercises that GPT-3.5 wrote. About 51 B tokens seen.",
    licence: "MIT",
    intendedUse: "Simple Python functions from a docstring.",
    limits: `${PHI_LIMITS} Knows little but Python.`,
    published: "Phi-1",
    sources: ["Gunasekar et al. 2023, arXiv 2306.11644"],
  },
  {
    id: "phi-1.5",
    title: "Phi-1.5",
    hub: "microsoft/phi-1_5",
    parameters: 1_418_270_720,
    architecture: phi(24, 2048),
    data: "30 B tokens: those of Phi-1 and about 20 B of synthetic text like textbooks, seeded from 20,000 topics. 150 B tokens seen. No general crawl of the web.",
    licence: "MIT",
    intendedUse: "Research on small models: question, chat and code formats.",
    limits: PHI_LIMITS,
    published: "Phi-1.5",
    sources: ["Li et al. 2023, arXiv 2309.05463"],
  },
  {
    id: "phi-2",
    title: "Phi-2",
    hub: "microsoft/phi-2",
    parameters: 2_779_683_840,
    architecture: phi(32, 2560),
    data: "250 B tokens: synthetic text (GPT-3.5) and filtered web from Falcon RefinedWeb and SlimPajama, judged by GPT-4. 1.4 T tokens seen, begun from Phi-1.5.",
    licence: "MIT (since January 2024; a research licence before)",
    intendedUse: "A playground for researchers: interpretability, safety, fine-tuning.",
    limits: `${PHI_LIMITS} Its attention overflows in 16-bit arithmetic.`,
    published: "Phi-2",
    sources: [
      "Microsoft Research, 12 December 2023, Phi-2: The surprising power of small language models",
    ],
  },
  {
    id: "phi-nano",
    title: "phi-nano (bundled)",
    parameters: 3_455_744,
    architecture: {
      ...{ kind: "phi", layers: 6, width: 192, heads: 6, keyValueHeads: 6, mlpWidth: 768 },
      ...{ vocabulary: 2048, context: 512 },
    },
    data: "56 million characters of philab's grammars (functions that were run, sums, names, lessons, stories) and paragraphs of Python's standard library.",
    licence: "philab's own",
    intendedUse: "Trying everything out offline: code, questions, chat, and every view of the lab.",
    limits:
      "Three million parameters: it knows the small world that it was trained on, and nothing else.",
    sources: ["models/phi-nano/README.md", "experiments/phi-nano/README.md"],
  },
  {
    id: "phi-micro",
    title: "phi-micro",
    parameters: 2_202_528,
    architecture: {
      ...{ kind: "phi", layers: 5, width: 160, heads: 5, keyValueHeads: 5, mlpWidth: 640 },
      ...{ vocabulary: 2048, context: 512 },
    },
    data: "Generated functions, names and sums, and paragraphs of Python's standard library.",
    licence: "philab's own",
    intendedUse:
      "A reference for tests: trained in PyTorch, its values written down by transformers.",
    limits:
      "Two million parameters: it knows the small world that it was trained on, and nothing else.",
    sources: ["models/phi-micro/README.md"],
  },
  {
    id: "llama-2-7b",
    title: "Llama-2 7B",
    hub: "meta-llama/Llama-2-7b-hf",
    parameters: 6_738_415_616,
    architecture: llama(32, 4096, 32, 11_008),
    data: "2 T tokens of public text.",
    licence: "Llama 2 Community License",
    intendedUse: "What the Phi-2 report compares with.",
    limits: "A base model. The licence must be accepted on its page.",
    published: "Llama-2 7B",
    sources: ["Touvron et al. 2023, arXiv 2307.09288"],
  },
  {
    id: "llama-2-13b",
    title: "Llama-2 13B",
    hub: "meta-llama/Llama-2-13b-hf",
    parameters: 13_015_864_320,
    architecture: llama(40, 5120, 40, 13_824),
    data: "2 T tokens of public text.",
    licence: "Llama 2 Community License",
    intendedUse: "What the Phi-2 report compares with.",
    limits: "A base model. The licence must be accepted on its page.",
    published: "Llama-2 13B",
    sources: ["Touvron et al. 2023, arXiv 2307.09288"],
  },
  {
    id: "mistral-7b",
    title: "Mistral 7B",
    hub: "mistralai/Mistral-7B-v0.1",
    parameters: 7_241_732_096,
    architecture: {
      ...{
        kind: "mistral",
        layers: 32,
        width: 4096,
        heads: 32,
        keyValueHeads: 8,
        mlpWidth: 14_336,
      },
      ...{ vocabulary: 32_000, context: 4096 },
    },
    data: "Not published.",
    licence: "Apache-2.0",
    intendedUse: "What the Phi-2 report compares with.",
    limits: "A base model. Its context is that of its attention window here.",
    published: "Mistral 7B",
    sources: ["Jiang et al. 2023, arXiv 2310.06825"],
  },
  gpt2("gpt2", [12, 768, 12], 124_439_808),
  gpt2("gpt2-medium", [24, 1024, 16], 354_823_168),
  gpt2("gpt2-large", [36, 1280, 20], 774_030_080),
  gpt2("gpt2-xl", [48, 1600, 25], 1_557_611_200),
];

/** The card of a stored model: by its name without the variant, or by the repository that it came from. */
export function cardFor(name: string, source = ""): ModelCard | undefined {
  const plain = name.replace(/[:@+].*$/, "");
  const repository = /^hf:([^@]+)/.exec(source)?.[1] ?? /^hf:([^@]+)/.exec(name)?.[1];
  return CARDS.find(({ id, hub }) => id === plain || (hub !== undefined && hub === repository));
}

/** Bits of a weight on average, with scales: ggml's block types (Q4_K_M mixes Q4_K with Q6_K). */
const BITS: Readonly<Record<string, number>> = {
  f16: 16,
  q8_0: 8.5,
  q6_k: 6.5625,
  q5_k_m: 5.7,
  q4_k_m: 4.85,
  q4_0: 4.5,
};

/** Bytes of weights and of the cache for `tokens` in f16, by type of the weights. */
export function memoryOf(
  { parameters, architecture }: Pick<ModelCard, "parameters" | "architecture">,
  tokens: number,
): Record<string, number> {
  const { layers, width, heads, keyValueHeads } = architecture;
  const cache = 2 * layers * width * (keyValueHeads / heads) * 2 * tokens;
  return Object.fromEntries(
    Object.entries(BITS).map(([type, bits]) => [type, Math.round((parameters * bits) / 8 + cache)]),
  );
}

/** Published scores of a card's model: task or group, share, and where it stands. */
export function publishedScores({
  published,
}: ModelCard): { task: string; value: number; source: string }[] {
  return PUBLISHED.filter(({ model }) => model === published).flatMap(({ scores, source }) =>
    Object.entries(scores).map(([task, value]) => ({ task, value, source })),
  );
}
