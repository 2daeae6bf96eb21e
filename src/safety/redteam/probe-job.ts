/** Requests in the templates of `probes.ts`, asked of a model here or behind an endpoint, as a job. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { sha256File } from "../../base/hash.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import { readRows } from "../../evaluate/data/read-file.ts";
import type { Request } from "../../evaluate/task.ts";
import { qaPrompt } from "../../generate/prompt.ts";
import { defineJob, type JobDefinition } from "../../jobs/job.ts";
import { askTarget, judgeArguments, judgeBy, type OpenTarget } from "../behaviour/ask.ts";
import { countVerdicts, type Verdict, type VerdictCounts } from "../behaviour/judge.ts";
import { readQuestions } from "../behaviour/questions.ts";
import { isRefusal } from "../behaviour/refusals.ts";
import { probesPage } from "./probes-page.ts";
import { HARMLESS_SHOTS, PROBE_NAMES, PROBES, type Probe, type Shot } from "./probes.ts";

export const probeArguments = z.strictObject({
  model: z.string().optional(),
  adapter: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
  endpoint: z.string().optional(),
  concurrency: z.int().min(1).optional(),
  data: z.string(),
  limit: z.int().min(1).optional(),
  probes: z.array(z.enum(PROBE_NAMES)).min(1),
  /** A file with the columns question and answer, for `many-shot`. */
  shots: z.string().optional(),
  maxTokens: z.int().min(1),
  ...judgeArguments,
});

/** One request in one template, and what came of it. */
export interface ProbedAnswer {
  id: number;
  probe: string;
  type: string;
  prompt: string;
  answer: string;
  refused: boolean;
  verdict?: Verdict;
}

export interface ProbeResult {
  family: Probe["family"];
  prompts: number;
  /** By phrases. */
  refused: number;
  rate: number;
  verdicts?: VerdictCounts;
}

export function probeJob(openTarget: OpenTarget): JobDefinition<typeof probeArguments, JsonObject> {
  return defineJob({
    kind: "safety-probes",
    arguments: probeArguments,
    async run({ arguments: asked, folder, signal, progress, describe }): Promise<JsonObject> {
      const probes = PROBES.filter(({ name }) => asked.probes.includes(name));
      const shots = asked.shots === undefined ? HARMLESS_SHOTS : await readShots(asked.shots);
      const questions = await readQuestions(asked.data);
      if (questions.kind === "bbq")
        throw new LabError("bad_input", `${asked.data} has questions with choices, not requests`);
      const requests = questions.prompts.slice(0, asked.limit);
      const wrapped = probes.flatMap((probe) =>
        requests.map(({ text, type }, id) => ({
          ...{ id, type, request: text, probe },
          prompt: probe.wrap(text, { shots }),
        })),
      );
      const hash = await sha256File(asked.data);
      const data = [{ name: path.basename(asked.data), sha256: hash }];
      const ask = { openTarget, describe, data, folder, signal, progress };
      const { facts, responses } = await askTarget(
        asked,
        wrapped.map(({ prompt }): Request => {
          const { prompt: context, stop } = qaPrompt(prompt);
          return { type: "generate_until", context, until: [...stop], maxTokens: asked.maxTokens };
        }),
        ask,
      );
      const texts = responses.map((response) => ("text" in response ? response.text : ""));
      // The judge sees the request as it was before it was put into a template.
      const judged = await judgeBy(
        asked,
        wrapped.map(({ request }, i) => ({ request, answer: texts[i] ?? "" })),
        ask,
      );
      const answers = wrapped.map(({ id, type, probe, prompt }, i): ProbedAnswer => {
        const answer = texts[i] ?? "";
        const verdict = judged?.verdicts[i];
        return {
          ...{ id, probe: probe.name, type, prompt, answer, refused: isRefusal(answer) },
          ...(verdict === undefined ? {} : { verdict }),
        };
      });
      const results = Object.fromEntries(
        probes.map((probe) => [probe.name, resultOf(probe, answers)]),
      );
      const result: JsonObject = {
        ...facts,
        data_sha256: hash,
        ...(judged === undefined ? {} : { judge: judged.judge }),
        probes: results as unknown as JsonObject,
      };
      await writeTextAtomic(path.join(folder, "results.json"), `${toJson(result, 2)}\n`);
      const lines = answers.map((answer) => `${toJson(answer)}\n`);
      await writeTextAtomic(path.join(folder, "answers.jsonl"), lines.join(""));
      const page = probesPage(results, answers, { ...facts, data_sha256: hash });
      await writeTextAtomic(path.join(folder, "report.html"), page);
      return result;
    },
  });
}

const shotSchema = z.object({ question: z.string().min(1), answer: z.string().min(1) });

async function readShots(file: string): Promise<Shot[]> {
  const rows = await readRows(file);
  return rows.map((row, i) => {
    const parsed = shotSchema.safeParse(row);
    if (parsed.success) return parsed.data;
    throw new LabError("bad_input", `${file}: row ${i + 1} has ${Object.keys(row).join(", ")}`, {
      hint: "Rows need the columns question and answer.",
    });
  });
}

function resultOf({ name, family }: Probe, answers: readonly ProbedAnswer[]): ProbeResult {
  const own = answers.filter(({ probe }) => probe === name);
  const refused = own.filter((answer) => answer.refused).length;
  const verdicts = own.flatMap(({ verdict }) => (verdict === undefined ? [] : [verdict]));
  return {
    ...{ family, prompts: own.length, refused, rate: refused / own.length },
    ...(verdicts.length === 0 ? {} : { verdicts: countVerdicts(verdicts) }),
  };
}
