/** `philab data synth`: seeded material from grammars, and passages from a model. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import type { SynthArguments } from "../../data/synth/job.ts";
import { SYNTH_KINDS } from "../../data/synth/synthesize.ts";
import { Job } from "../../jobs/job.ts";
import { defineCommand } from "../command.ts";
import { corpusOut, fullPath } from "../data.ts";
import { flags, FLAGS } from "../flags.ts";
import { followSynth, synthJobOf } from "../synth.ts";

const list = (what: string) =>
  z.array(z.string().min(1)).min(1).optional().describe(what).meta({ placeholder: "list" });

export const command = defineCommand({
  description: `Functions with docstrings, exercises, arithmetic, facts, conversations, stories and repetitions from philab's grammars, the same for the same seed. Code is run in the sandbox beside a second solution, and both must agree. With --endpoint, a model writes a textbook passage for each topic, audience and constraint instead; code in it must run. Kinds: ${SYNTH_KINDS.join(", ")}.`,
  options: {
    out: corpusOut,
    ...flags("model", "seed"),
    characters: z
      .int()
      .min(1)
      .default(1_000_000)
      .describe("how much the grammars make")
      .meta({ placeholder: "count" }),
    shares: z
      .record(z.string(), z.number().min(0))
      .optional()
      .describe("how much of each kind, in proportion: functions:3,stories:1")
      .meta({ placeholder: "pairs" }),
    embedWith: z
      .string()
      .min(1)
      .optional()
      .describe("measure how far apart the texts lie in this model's embeddings")
      .meta({ placeholder: "model" }),
    heldOut: list("JSONL files of tasks (prompt) that must not occur"),
    endpoint: z
      .url()
      .optional()
      .describe(
        "an OpenAI-compatible endpoint that writes passages; --model is the model's name there",
      )
      .meta({ placeholder: "url" }),
    topics: list("what the passages are about"),
    audiences: list("whom they are written for"),
    constraints: list("what each must have"),
    maxTokens: FLAGS.maxTokens.default(400),
    temperature: FLAGS.temperature.default(0.7),
  },
  examples: [
    {
      command: "philab data synth --out corpora/synth --seed 1 --characters 20000",
      does: "a small corpus in the shares of the bundled model's",
    },
    {
      command:
        "philab data synth --out corpora/passages --endpoint http://localhost:8000/v1 --model phi-2 --topics sorting,recursion",
      does: "passages on two topics, for each audience and constraint",
    },
  ],
  async run(context) {
    const { options, settings, folders, cwd, commandLine } = context;
    const { endpoint, characters, shares, embedWith, heldOut = [] } = options;
    const asked = (): Omit<NonNullable<SynthArguments["endpoint"]>, "url"> => {
      const { topics, audiences, constraints, maxTokens, temperature } = options;
      if (settings.model === undefined || topics === undefined)
        throw new LabError("bad_input", "an endpoint needs a model's name and topics", {
          hint: "Name them with --model and --topics.",
        });
      return {
        ...{ model: settings.model, topics, maxTokens, temperature },
        ...(audiences === undefined ? {} : { audiences }),
        ...(constraints === undefined ? {} : { constraints }),
      };
    };
    const args: SynthArguments = {
      ...{ out: fullPath(options.out, cwd), seed: settings.seed, characters },
      ...(shares === undefined ? {} : { shares }),
      ...(embedWith === undefined ? {} : { embedWith }),
      heldOut: heldOut.map((file) => fullPath(file, cwd)),
      ...(endpoint === undefined ? {} : { endpoint: { url: endpoint, ...asked() } }),
    };
    const job = await Job.create(synthJobOf(context), {
      runsFolder: folders.runs,
      name: endpoint === undefined ? "grammars" : "passages",
      arguments: args,
      provenance: { command: [...commandLine], seed: settings.seed },
    });
    await followSynth(context, job);
  },
});
