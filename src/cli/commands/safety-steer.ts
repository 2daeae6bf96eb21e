/** `philab safety steer`: what a control vector does to a behaviour, and what it costs. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { readControlVector } from "../../safety/directions/control-vector.ts";
import { dosePage } from "../../safety/directions/dose-page.ts";
import { safetyDoses, type SafetyDose } from "../../safety/directions/dose.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { pageFacts, writePage } from "../inspect.ts";
import { openModel, provenance } from "../open-model.ts";
import { linesOf } from "../prompt-lines.ts";

const file = (what: string) =>
  z.string().min(1).optional().describe(what).meta({ placeholder: "path" });

export const command = defineCommand({
  description:
    "Adds a control vector to the stream, as repeng and llama.cpp do, at several strengths, and measures what answers do: the share that refuses, how likely they begin with the behaviour, how far other prompts and texts are moved; beside random vectors as long. Prompts are lines of files of yours and never printed.",
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "seed"),
    vector: file("a control vector, of safety direction, repeng or llama.cpp"),
    positive: file("prompts with the behaviour, one in a line"),
    negative: file("prompts without it"),
    texts: file("texts of other kinds, one in a line"),
    strength: z
      .array(z.number())
      .min(1)
      .default([-1, -0.5, 0, 0.5, 1])
      .describe("multiples of the vector")
      .meta({ placeholder: "numbers" }),
    begins: z
      .array(z.string().min(1))
      .default([" I", " Sorry"])
      .describe("how an answer with the behaviour begins; several: once for each")
      .meta({ verbatim: true, placeholder: "text" }),
    maxTokens: FLAGS.maxTokens.default(16),
    out: flags("out").out.describe("writes a page"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        "philab safety steer --vector refusal.gguf --positive refused.txt --negative answered.txt --out steer.html",
      does: "how much of the vector makes a model refuse, and what that costs",
    },
  ],
  async run(context) {
    const { options, settings, output, signal, cwd, commandLine } = context;
    const { vector: from, positive, negative, texts, maxTokens } = options;
    if (from === undefined || positive === undefined || negative === undefined)
      throw new LabError("bad_input", "a vector and prompts on both sides are needed", {
        hint: "Give --vector FILE --positive FILE --negative FILE.",
      });
    const vector = await readControlVector(path.resolve(cwd, from));
    const prompts = {
      positive: await linesOf(positive, cwd),
      negative: await linesOf(negative, cwd),
      ...(texts === undefined ? {} : { texts: await linesOf(texts, cwd) }),
    };
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    const strengths = [...new Set(options.strength)].sort((a, b) => a - b);
    using progress = output.progress({ label: "steer", unit: "strengths" });
    const doses = await safetyDoses(model, vector, prompts, {
      tokens: options.begins.map((text) => model.tokenizer.encode(text)[0] ?? -1),
      ...{ strengths, maxTokens, seed: settings.seed, signal },
      onProgress: (done, total) => progress.update(done, { total }),
    });
    progress.finish();
    const written = await writePage(context, options.out, () =>
      dosePage(
        { title: "What a control vector does", facts: pageFacts(opened, commandLine) },
        doses,
      ),
    );
    output.result(
      {
        ...provenance(opened, commandLine),
        seed: settings.seed,
        blocks: [...vector.keys()],
        steered: doses.steered.map(asJson),
        control: doses.control.map(asJson),
        ...written,
      },
      () => table(doses),
    );
  },
});

function asJson({ positive, negative, ...rest }: SafetyDose) {
  return { ...rest, positive: { ...positive }, negative: { ...negative } };
}

function table({ steered, control }: { steered: SafetyDose[]; control: SafetyDose[] }): string {
  const titles = ["strength", "refuse, positive", "random", "refuse, negative", "random", "KL"];
  return formatTable(
    [...titles, "random", "loss", "random"].map((title) => ({ title, align: "right" })),
    steered.map((dose, i) => {
      const other = control[i] ?? dose;
      const pair = (of: (own: SafetyDose) => number | undefined): string[] =>
        [of(dose), of(other)].map((value) => (value === undefined ? "–" : formatNumber(value, 3)));
      return [
        formatNumber(dose.strength),
        ...pair(({ positive }) => positive.refused),
        ...pair(({ negative }) => negative.refused),
        ...pair(({ divergence }) => divergence),
        ...pair(({ loss }) => loss),
      ];
    }),
  );
}
