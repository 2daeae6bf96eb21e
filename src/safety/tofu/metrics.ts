/**
 * TOFU (Maini et al. 2024, arXiv 2401.06121): how much a model forgot about some authors, and how much it still knows. From
 * the losses of right answers, paraphrased ones and wrong ones, as the benchmark's own logs have them.
 */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { readText } from "../../evaluate/data/read-file.ts";
import { kolmogorovSmirnov, type KolmogorovSmirnov } from "../statistics/kolmogorov-smirnov.ts";

const byItem = z.record(z.string(), z.number());
const logSchema = z.object({
  /** Mean loss per token of the right answer, in nats. */
  avg_gt_loss: byItem,
  /** The same of wrong answers. */
  average_perturb_loss: z.record(z.string(), z.array(z.number()).min(1)),
  /** The same of the right answer in other words. */
  avg_paraphrased_loss: byItem,
  rougeL_recall: byItem,
});

/** The parts of the benchmark, by the names that its logs have. */
export const TOFU_PARTS = {
  retain: "eval_log.json",
  forget: "eval_log_forget.json",
  realAuthors: "eval_real_author_wo_options.json",
  realWorld: "eval_real_world_wo_options.json",
} as const;
export type TofuPart = keyof typeof TOFU_PARTS;

const logsSchema = z.object({
  [TOFU_PARTS.retain]: logSchema,
  [TOFU_PARTS.forget]: logSchema,
  [TOFU_PARTS.realAuthors]: logSchema,
  [TOFU_PARTS.realWorld]: logSchema,
});

/** What one question came to. */
export interface TofuItem {
  rightLoss: number;
  paraphrasedLoss: number;
  wrongLosses: readonly number[];
  rougeRecall: number;
}
export type TofuLogs = Record<TofuPart, TofuItem[]>;

/** Reads `eval_log_aggregated.json`, also compressed. Throws `not_found`, `corrupt_file`, `bad_input`. */
export async function readTofuLogs(file: string): Promise<TofuLogs> {
  const text = await readText(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LabError("corrupt_file", `${file} is not JSON: ${(error as Error).message}`);
  }
  const parsed = logsSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new LabError(
      "bad_input",
      `${file}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
      { hint: "It is eval_log_aggregated.json as TOFU's evaluation writes it." },
    );
  }
  const items = (part: TofuPart): TofuItem[] => {
    const log = parsed.data[TOFU_PARTS[part]];
    return Object.entries(log.avg_gt_loss).map(([key, rightLoss]) => {
      const paraphrasedLoss = log.avg_paraphrased_loss[key];
      const wrongLosses = log.average_perturb_loss[key];
      const rougeRecall = log.rougeL_recall[key];
      if (paraphrasedLoss === undefined || wrongLosses === undefined || rougeRecall === undefined)
        throw new LabError("bad_input", `${file}: ${TOFU_PARTS[part]}: item ${key} is incomplete`);
      return { rightLoss, paraphrasedLoss, wrongLosses, rougeRecall };
    });
  };
  return {
    retain: items("retain"),
    forget: items("forget"),
    realAuthors: items("realAuthors"),
    realWorld: items("realWorld"),
  };
}

export interface TofuScores {
  /** Of the right answer: per token, or (real authors and world) its share among right and wrong ones. */
  probability: number;
  /** ROUGE-L recall of what is written. */
  rouge: number;
  /** Whether wrong answers are as likely as paraphrased right ones. */
  truthRatio: number;
}

export interface TofuUtility {
  parts: Record<TofuPart, TofuScores>;
  /** Harmonic mean of the nine numbers of the parts that are not to be forgotten. */
  modelUtility: number;
}

export function tofuUtility(logs: TofuLogs): TofuUtility {
  const parts = {
    retain: scoresOf("retain", logs.retain),
    forget: scoresOf("forget", logs.forget),
    realAuthors: scoresOf("realAuthors", logs.realAuthors),
    realWorld: scoresOf("realWorld", logs.realWorld),
  };
  const kept = [parts.retain, parts.realAuthors, parts.realWorld].flatMap(
    ({ probability, rouge, truthRatio }) => [probability, rouge, truthRatio],
  );
  const inverse = kept.reduce((sum, value) => sum + 1 / value, 0);
  return { parts, modelUtility: kept.length / inverse };
}

/**
 * How alike the truth ratios on what is to be forgotten are to those of a model that never learned it: the p-value is the
 * forget quality.
 */
export function forgetQuality(unlearned: TofuLogs, retained: TofuLogs): KolmogorovSmirnov {
  return kolmogorovSmirnov(unlearned.forget.map(truthRatio), retained.forget.map(truthRatio));
}

/** Likelihood of wrong answers by that of the paraphrased right one: exp(paraphrased − mean wrong loss), turned over. */
function truthRatio({ paraphrasedLoss, wrongLosses }: TofuItem): number {
  return Math.exp(mean(wrongLosses) - paraphrasedLoss);
}

function scoresOf(part: TofuPart, items: readonly TofuItem[]): TofuScores {
  if (items.length === 0)
    throw new LabError("bad_input", `${TOFU_PARTS[part]} has no items`, {
      hint: "Utility is a mean over four parts.",
    });
  const isTold = part === "retain" || part === "forget"; // the others compare answers
  const probability = ({ rightLoss, wrongLosses }: TofuItem): number => {
    const right = Math.exp(-rightLoss);
    if (isTold) return right;
    return right / (right + wrongLosses.reduce((sum, loss) => sum + Math.exp(-loss), 0));
  };
  // Forgotten: near 1 is near indifference. Kept: the right answer is to be the likelier one.
  const truth = (item: TofuItem): number => {
    const ratio = truthRatio(item);
    return part === "forget" ? Math.min(ratio, 1 / ratio) : Math.max(0, 1 - 1 / ratio);
  };
  return {
    probability: mean(items.map(probability)),
    rouge: mean(items.map(({ rougeRecall }) => rougeRecall)),
    truthRatio: mean(items.map(truth)),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
