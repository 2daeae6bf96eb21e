/** What is asked and answered about safety, in the words of the server's own sources. */
import type { BehaviourScores } from "../../../src/safety/behaviour/job.ts";
import type { AnswerItem, SentenceItem } from "../../../src/safety/finished.ts";
import type { ChangedParameter } from "../../../src/safety/report/control.ts";
import type { Drift } from "../../../src/safety/report/drift.ts";
import type { PanelScore } from "../../../src/safety/report/panel.ts";
import type { VerdictCounts } from "../../../src/safety/behaviour/judge.ts";
import type { ToxigenScores } from "../../../src/safety/toxigen/scores.ts";
import { getJson } from "./client.ts";

export type { DirectionAnswer } from "../../../src/server/worker/lab-safety.ts";
export type { AnswerItem, SentenceItem };

/** `GET /v1/lab/safety` */
export interface SafetyOverview {
  /** The data set of harmless stand-ins. */
  standIns: string;
  files: string[];
  vectors: { name: string; layers: number[]; width: number }[];
  toxigen: {
    significance: number;
    announced: string;
    /** GPT-2's, by group. */
    groups: Record<string, number>;
    averages: { model: string; score: number; source: string }[];
  };
}

interface Facts {
  model?: string;
  mode?: string;
}
export type ToxigenResults = Facts & ToxigenScores & { sentences: number };
export type BehaviourResults = Facts &
  BehaviourScores & { judge?: string; verdicts?: VerdictCounts };
export interface ReportResults extends Facts {
  notes: string[];
  models: {
    role: "as it is" | "edited" | "control";
    name: string;
    scores: PanelScore[];
    drift?: Drift;
  }[];
  changed?: ChangedParameter[];
}

/** `GET /v1/lab/runs/:id/safety` */
export interface FinishedSafety<R, I> {
  kind: string;
  results: R;
  items: I[];
}
export type FinishedToxigen = FinishedSafety<ToxigenResults, SentenceItem>;
export type FinishedBehaviour = FinishedSafety<BehaviourResults, AnswerItem>;
export type FinishedReport = FinishedSafety<ReportResults, AnswerItem>;

export function askFinished<T>(run: string, signal: AbortSignal): Promise<T> {
  return getJson<T>(`/v1/lab/runs/${encodeURIComponent(run)}/safety`, { signal });
}
