/** `philab pull`: a model of the hub, in the store. */
import { z } from "zod";
import { formatBytes } from "../../base/format.ts";
import { pullJob, repositoryOf } from "../../catalog/pull.ts";
import { Job } from "../../jobs/job.ts";
import type { JsonValue } from "../../base/json.ts";
import { defineCommand, type CommandContext } from "../command.ts";

export const command = defineCommand({
  description:
    "Fetches weights, configuration and tokenizer from the Hugging Face hub: several chunks at a time, checked by the hub's hashes, resumed where it broke off. Pickles are left out. HF_TOKEN for models that must be asked for, HF_ENDPOINT or --endpoint for another hub.",
  arguments: { model: z.string().min(1).describe("a card (phi-2), or owner/name of the hub") },
  options: {
    revision: z.string().min(1).default("main").describe("branch, tag or commit"),
    include: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe("names of files, * for anything; default: safetensors, configuration, tokenizer")
      .meta({ placeholder: "patterns" }),
    endpoint: z
      .url()
      .optional()
      .describe("another address than the hub's")
      .meta({ placeholder: "url" }),
  },
  examples: [
    { command: "philab pull phi-2", does: "microsoft/phi-2, then --model hf:microsoft/phi-2" },
    {
      command: "philab pull microsoft/phi-1_5 --revision main --include '*.safetensors,*.json'",
      does: "some of its files",
    },
  ],
  async run(context) {
    const { args, options, folders, env, commandLine } = context;
    const repository = repositoryOf(args.model, options.revision);
    const hubUrl = options.endpoint ?? env["HF_ENDPOINT"];
    const job = await Job.create(pullJob({ accessToken: env["HF_TOKEN"] }), {
      runsFolder: folders.runs,
      name: repository.repository,
      arguments: {
        ...{ ...repository, modelsFolder: folders.models },
        ...(options.include === undefined ? {} : { include: options.include }),
        ...(hubUrl === undefined || hubUrl === "" ? {} : { hubUrl }),
      },
      provenance: { command: [...commandLine] },
    });
    await followPull(context, job);
  },
});

export async function followPull<R extends JsonValue>(
  { output, signal }: Pick<CommandContext, "output" | "signal">,
  job: Job<R>,
): Promise<void> {
  using progress = output.progress({ label: "pull", unit: "B" });
  const finished = job.start({ signal });
  for await (const { step, total, message } of job) {
    if (message !== undefined) output.note(message);
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  }
  const result = (await finished) as unknown as {
    folder: string;
    bytes: number;
    licence: string | null;
  };
  progress.finish();
  output.result({ id: job.record.id, ...result }, () =>
    [
      `${formatBytes(result.bytes)} in ${result.folder}`,
      ...(result.licence === null ? [] : [`licence: ${result.licence}`]),
    ].join("\n"),
  );
}
