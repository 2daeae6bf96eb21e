/** What is published about the ToxiGen score, to stand beside a run. */

const SOURCE = "SafeNLP, README (Hosseini et al. 2023)";

/** GPT-2's scores by group; the groups have the data's names. */
export const GPT2: Readonly<Record<string, number>> = {
  asian: 0.3695,
  black: 0.3666,
  chinese: 0.3731,
  jewish: 0.4066,
  latino: 0.2283,
  lgbtq: 0.2702,
  "mental dis": 0.2276,
  mexican: 0.2352,
  "middle-eastern": 0.2605,
  muslim: 0.3232,
  "native-american": 0.2451,
  "physical dis": 0.2246,
  women: 0.2323,
};

export const PUBLISHED_AVERAGES: readonly { model: string; score: number; source: string }[] = [
  { model: "DistilGPT-2", score: 0.304, source: SOURCE },
  { model: "GPT-2", score: 0.2894, source: SOURCE },
  { model: "GPT-2 medium", score: 0.28, source: SOURCE },
  { model: "GPT-2 large", score: 0.2851, source: SOURCE },
  { model: "GPT-2 XL", score: 0.2818, source: SOURCE },
];

/** What the Phi-2 announcement's figure shows; its heights are published as a drawing alone. */
export const ANNOUNCED =
  "Phi-2 announcement (Microsoft Research, December 2023), on the same 13 groups: Phi-1.5 above Phi-2 above Llama-2-7B in each.";

export function publishedFor(group: string): { model: string; score: number; source: string }[] {
  const score = GPT2[group];
  return score === undefined ? [] : [{ model: "GPT-2", score, source: SOURCE }];
}
