/** Kinds of runs that can be taken up again, and by whom. A kind's files are imported when one of its runs is. */
import type { CommandContext } from "./command.ts";

type Resume = (context: CommandContext, folder: string) => Promise<void>;

export const RESUMABLE: Readonly<Record<string, Resume>> = {
  train: async (context, folder) => {
    const [{ Job }, { pretrainJob }, { followTraining }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../train/pretrain.ts"),
      import("./training.ts"),
    ]);
    await followTraining(context, (observer) => Job.resume(pretrainJob(observer), folder));
  },
  eval: async (context, folder) => {
    const [{ Job }, { followEvaluation }] = await Promise.all([
      import("../jobs/job.ts"),
      import("./evaluation.ts"),
    ]);
    await followEvaluation(context, (definition) => Job.resume(definition, folder));
  },
  "safety-behave": async (context, folder) => {
    const [{ Job }, { followBehaviour }] = await Promise.all([
      import("../jobs/job.ts"),
      import("./behaviour.ts"),
    ]);
    await followBehaviour(context, (definition) => Job.resume(definition, folder));
  },
  "safety-gcg": async (context, folder) => {
    const [{ Job }, { followGcg }] = await Promise.all([
      import("../jobs/job.ts"),
      import("./redteam.ts"),
    ]);
    await followGcg(context, (definition) => Job.resume(definition, folder));
  },
  "safety-probes": async (context, folder) => {
    const [{ Job }, { followProbes }] = await Promise.all([
      import("../jobs/job.ts"),
      import("./redteam.ts"),
    ]);
    await followProbes(context, (definition) => Job.resume(definition, folder));
  },
  "safety-report": async (context, folder) => {
    const [{ Job }, { followReport }] = await Promise.all([
      import("../jobs/job.ts"),
      import("./safety-report.ts"),
    ]);
    await followReport(context, (definition) => Job.resume(definition, folder));
  },
  "safety-toxigen": async (context, folder) => {
    const [{ Job }, { toxigenJob }, { followToxigen }, { openForJob }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../safety/toxigen/job.ts"),
      import("./safety.ts"),
      import("./open-model.ts"),
    ]);
    await followToxigen(context, () => Job.resume(toxigenJob(openForJob(context)), folder));
  },
  finetune: async (context, folder) => {
    const [{ Job }, { finetuneJob }, { followTraining }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../train/finetune.ts"),
      import("./training.ts"),
    ]);
    await followTraining(context, (observer) => Job.resume(finetuneJob(observer), folder));
  },
  data: async (context, folder) => {
    const { resumePipeline } = await import("./data.ts");
    await resumePipeline(context, folder);
  },
  synth: async (context, folder) => {
    const [{ Job }, { followSynth, synthJobOf }] = await Promise.all([
      import("../jobs/job.ts"),
      import("./synth.ts"),
    ]);
    await followSynth(context, await Job.resume(synthJobOf(context), folder));
  },
  sae: async (context, folder) => {
    const [{ Job }, { dictionaryJob }, { followDictionary }, { openForJob }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../features/job.ts"),
      import("./features.ts"),
      import("./open-model.ts"),
    ]);
    await followDictionary(context, (onMetrics) =>
      Job.resume(dictionaryJob(openForJob(context), onMetrics), folder),
    );
  },
  "sae-features": async (context, folder) => {
    const [{ Job }, { surveyJob }, { followReading }, { openForJob }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../features/reading-jobs.ts"),
      import("./features.ts"),
      import("./open-model.ts"),
    ]);
    await followReading(context, await Job.resume(surveyJob(openForJob(context)), folder));
  },
  "sae-eval": async (context, folder) => {
    const [{ Job }, { evaluationJob }, { followReading }, { openForJob }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../features/reading-jobs.ts"),
      import("./features.ts"),
      import("./open-model.ts"),
    ]);
    await followReading(context, await Job.resume(evaluationJob(openForJob(context)), folder));
  },
  circuit: async (context, folder) => {
    const [{ Job }, { circuitJob }, { followReading }, { openForJob }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../interpret/circuit/search.ts"),
      import("./features.ts"),
      import("./open-model.ts"),
    ]);
    await followReading(context, await Job.resume(circuitJob(openForJob(context)), folder));
  },
  pull: async (context, folder) => {
    const [{ Job }, { pullJob }, { followPull }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../catalog/pull.ts"),
      import("./commands/pull.ts"),
    ]);
    const accessToken = context.env["HF_TOKEN"];
    await followPull(context, await Job.resume(pullJob({ accessToken }), folder));
  },
  quantize: async (context, folder) => {
    const [{ Job }, { quantizeJob }, { followQuantize }] = await Promise.all([
      import("../jobs/job.ts"),
      import("../catalog/quantize.ts"),
      import("./commands/quantize.ts"),
    ]);
    await followQuantize(context, await Job.resume(quantizeJob, folder));
  },
};
