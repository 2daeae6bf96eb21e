/**
 * The panel before and after a change, as a job: an edited model, or a direction that is taken out of the weights, beside a control that was changed as
 * much and means nothing; and what moved inside.
 */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { randomDirection } from "../../interpret/logit-attribution.ts";
import { mergeAdapter } from "../../model/adapter-merge.ts";
import { defineJob, type JobContext, type JobDefinition } from "../../jobs/job.ts";
import { readControlVector } from "../directions/control-vector.ts";
import { orthogonalize } from "../directions/direction.ts";
import type { OpenModel } from "../toxigen/job.ts";
import { writeEqualNormControl, type ChangedParameter } from "./control.ts";
import { measureDrift, type Drift } from "./drift.ts";
import { reportPage } from "./page.ts";
import { measurePanel, readPanel, type Panel, type PanelResult } from "./panel.ts";

const modelArguments = {
  model: z.string().optional(),
  adapter: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
};

export const reportArguments = z.strictObject({
  ...modelArguments,
  /** An edited model, or a direction that is taken out of the weights: a control vector's file. */
  against: z.string().optional(),
  direction: z.string().optional(),
  data: z.string().optional(),
  dataFolder: z.string(),
  texts: z.string().optional(),
  tasks: z.array(z.string()),
  limit: z.int().min(1).optional(),
  maxTokens: z.int().min(1),
  seed: z.int().min(0),
});
type ReportArguments = z.output<typeof reportArguments>;
type OpenReported = OpenModel<z.output<z.ZodObject<typeof modelArguments>>>;

/** A model of the report, by what it is in it. */
export interface Reported {
  role: "as it is" | "edited" | "control";
  name: string;
  result: PanelResult;
  drift?: Drift;
}

export interface SafetyReport {
  models: Reported[];
  panel: Panel;
  /** What the edit changed; absent for a direction that was taken out. */
  changed?: ChangedParameter[];
  notes: string[];
}

export function reportJob(
  openModel: OpenReported,
): JobDefinition<typeof reportArguments, JsonObject> {
  return defineJob({
    kind: "safety-report",
    arguments: reportArguments,
    async run(context): Promise<JsonObject> {
      const { arguments: asked, folder, describe } = context;
      const panel = await readPanel({
        ...{ data: asked.data, texts: asked.texts, tasks: asked.tasks, limit: asked.limit },
      });
      const notes = panel.missing.map((part) => `${part}: not measured, there is no file for it`);
      await using base = await openModel(asked);
      await describe({
        data: panel.files,
        models: [{ reference: base.name, sha256: base.model.fingerprint() }],
        engine: base.model.backend.engineVersion,
      });
      const scratch = path.join(folder, "models");
      const { edited, control, changed } = await editedModels(base.model, {
        ...{ context, scratch, notes, openModel },
      });
      const parts = [base.name, edited, control].filter((own) => own !== undefined).length;
      const models: Reported[] = [];
      const measure = async (
        role: Reported["role"],
        { model, name }: { model: LanguageModel; name: string },
      ): Promise<void> => {
        const own = path.join(folder, role.replaceAll(" ", "-"));
        models.push(
          await measured(context, {
            role,
            model,
            name,
            base: base.model,
            panel,
            folder: own,
            done: models.length,
            parts,
          }),
        );
      };
      await measure("as it is", base);
      for (const [role, reference] of [
        ["edited", edited],
        ["control", control],
      ] as const) {
        if (reference === undefined) continue;
        await using opened = await openModel({ ...asked, adapter: undefined, model: reference });
        const name =
          role === "control"
            ? "control"
            : (asked.against ?? `without ${path.basename(asked.direction ?? "")}`);
        await measure(role, { model: opened.model, name });
      }
      await rm(scratch, { recursive: true, force: true });
      const report: SafetyReport = {
        ...{ models, panel, notes },
        ...(changed === undefined ? {} : { changed }),
      };
      const facts = {
        ...{ model: base.name, model_sha256: base.model.fingerprint(), mode: base.model.mode },
        ...{ seed: asked.seed, threads: base.model.backend.threads },
        ...(asked.limit === undefined ? {} : { limit: asked.limit }),
      };
      const result = resultOf(report, facts);
      await writeTextAtomic(path.join(folder, "results.json"), `${toJson(result, 2)}\n`);
      await writeTextAtomic(path.join(folder, "answers.jsonl"), answerLines(report));
      await writeTextAtomic(path.join(folder, "report.html"), reportPage(report, facts));
      return result;
    },
  });
}

/** References of the edited model and its control; both absent where only one model is reported. */
async function editedModels(
  base: LanguageModel,
  {
    context: { arguments: asked, signal },
    scratch,
    notes,
    openModel,
  }: {
    context: JobContext<ReportArguments>;
    scratch: string;
    notes: string[];
    openModel: OpenReported;
  },
): Promise<{ edited?: string; control?: string; changed?: ChangedParameter[] }> {
  const { against, direction, seed } = asked;
  if (against === undefined && direction === undefined) return {};
  if (base.adapter !== null)
    throw new LabError("unsupported", "what an adapter's model is compared with must be whole", {
      hint: "Merge the adapter into the model first: philab adapter merge.",
    });
  // Models of an earlier attempt may be half of what is wanted.
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch);
  const control = path.join(scratch, "control");
  if (direction !== undefined) {
    const vectors = [...(await readControlVector(direction)).values()];
    const [values] = vectors;
    if (values === undefined || vectors.length > 1 || values.length !== base.config.width)
      throw new LabError(
        "bad_input",
        `${direction} is not one direction of ${base.config.width} numbers`,
        {
          hint: "philab safety direction --control-vector writes one.",
        },
      );
    const edited = path.join(scratch, "edited");
    await orthogonalize(base, { values }, { to: edited, signal });
    const random = Float32Array.from(randomDirection(values, seed));
    await orthogonalize(base, { values: random }, { to: control, signal });
    notes.push("The control has a random direction taken out instead.");
    return { edited, control };
  }
  await using opened = await openModel({ ...asked, adapter: undefined, model: against });
  const { model } = opened;
  // What an adapter changes is what the weights are with it in them.
  const adapter = model.adapter === null ? undefined : model.adapters.get(model.adapter);
  const merged = path.join(scratch, "merged");
  if (adapter !== undefined)
    await mergeAdapter({ model: model.path, adapter: adapter.path, to: merged, signal });
  const paths = {
    ...{ from: base.path, to: control },
    edited: adapter === undefined ? model.path : merged,
  };
  const changed = await writeEqualNormControl(paths, { seed, signal });
  notes.push(
    "Each parameter of the control is moved as far as the edit moved it, in a random direction.",
  );
  return { edited: against ?? "", control, changed };
}

async function measured(
  { arguments: asked, signal, progress }: JobContext<ReportArguments>,
  options: Pick<Reported, "role" | "name"> & {
    model: LanguageModel;
    base: LanguageModel;
    panel: Panel;
    folder: string;
    done: number;
    parts: number;
  },
): Promise<Reported> {
  const { role, name, model, base, panel, folder, done, parts } = options;
  const result = await measurePanel(model, panel, {
    ...{ name, folder, signal, seed: asked.seed, maxTokens: asked.maxTokens, limit: asked.limit },
    ...{ data: asked.data, dataFolder: asked.dataFolder },
    onPart: (part) => progress(done, { total: parts, message: `${role}: ${part}` }),
  });
  progress(done + 1, { total: parts, message: role });
  if (role === "as it is") return { role, name, result };
  const drift = await measureDrift(base, model, panel.texts, { signal });
  return { role, name, result, drift };
}

/** What each model answered to each prompt. */
function answerLines({ models, panel }: SafetyReport): string {
  return panel.prompts.prompts
    .map(({ text, type, isSafe }, id) => {
      const answers = models.map(({ role, result }) => ({ role, ...result.answers[id] }));
      return `${toJson({ id, type, isSafe, prompt: text, answers })}\n`;
    })
    .join("");
}

/** Numbers alone: no prompt and no answer. */
function resultOf({ models, changed, notes }: SafetyReport, facts: JsonObject): JsonObject {
  return {
    ...facts,
    notes,
    models: models.map(({ role, name, result, drift }) => ({
      ...{ role, name },
      scores: result.scores.map(({ interval, ...score }) => ({
        ...score,
        ...(interval === undefined ? {} : { interval: [...interval] }),
      })),
      ...(drift === undefined
        ? {}
        : {
            drift: {
              ...{ divergence: drift.divergence, tokens: drift.tokens },
              hooks: drift.hooks.map((own) => ({ ...own })),
              heads: drift.heads.map((own) => ({ ...own })),
            },
          }),
    })),
    ...(changed === undefined ? {} : { changed: changed.map((own) => ({ ...own })) }),
  };
}
