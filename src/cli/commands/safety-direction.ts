/** `philab safety direction`: the direction that a behaviour goes by, and a model without it. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { writeControlVector } from "../../safety/directions/control-vector.ts";
import { textsLoss } from "../../safety/directions/cost.ts";
import { ablation, orthogonalize } from "../../safety/directions/direction.ts";
import { exploreDirection } from "../../safety/directions/explore.ts";
import { requireChosen, type Candidate } from "../../safety/directions/select.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";
import { linesOf } from "../prompt-lines.ts";

const list = (what: string) =>
  z.string().min(1).optional().describe(what).meta({ placeholder: "path" });

export const command = defineCommand({
  description:
    "Reads differences of means between prompts that call a behaviour up and prompts that do not, at every block and some positions, and tries each: taken out, it is to take the behaviour away and leave other prompts alone; added, it is to bring the behaviour about (Arditi et al. 2024). A random direction as long stands beside it. Prompts are lines of files of yours and never printed.",
  options: {
    ...flags("model", "mode", "device", "threads", "seed"),
    positive: list("prompts with the behaviour, one in a line"),
    negative: list("prompts without it"),
    begins: z
      .array(z.string().min(1))
      .default([" I", " Sorry"])
      .describe("how an answer with the behaviour begins; several: once for each")
      .meta({ verbatim: true, placeholder: "text" }),
    positions: z
      .array(z.int().max(-1))
      .min(1)
      .default([-1])
      .describe("places that are read, from the end of the prompt")
      .meta({ placeholder: "-1,-2" }),
    maxDivergence: z
      .number()
      .min(0)
      .default(0.1)
      .describe("nats that other prompts may be moved by when it is taken out")
      .meta({ placeholder: "number" }),
    minAddedScore: z
      .number()
      .default(0)
      .describe(
        "log odds that other prompts are to come to when it is added; 0 is as likely as not",
      )
      .meta({ placeholder: "number" }),
    layer: z
      .int()
      .min(0)
      .optional()
      .describe("takes the direction before this block instead of the best")
      .meta({ placeholder: "block" }),
    texts: list("texts of other kinds, one in a line: how much less likely they become"),
    out: flags("out").out.describe("writes the model without the direction: a directory or .gguf"),
    controlVector: list("writes the direction for llama.cpp, a .gguf file"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        "philab safety direction --positive refused.txt --negative answered.txt --out ./without --control-vector refusal.gguf",
      does: "a direction, a model without it, and a control vector",
    },
  ],
  async run(context) {
    const { options, settings, output, signal, cwd, commandLine } = context;
    const [positive, negative] = await Promise.all(
      [options.positive, options.negative].map((name) => bothSides(name, cwd)),
    );
    if (positive === undefined || negative === undefined)
      throw new LabError("internal", "two lists of prompts");
    const opened = await openModel(context);
    await using model = opened.model;
    using progress = output.progress({ label: "directions", unit: "directions" });
    const { begins, positions, maxDivergence, minAddedScore, layer } = options;
    const explored = await exploreDirection(
      model,
      { positive, negative },
      {
        ...{ begins, positions, maxDivergence, minAddedScore, layer },
        ...{ signal, seed: settings.seed },
        onProgress: (done, total) => progress.update(done, { total }),
      },
    );
    progress.finish();
    const chosen = requireChosen(explored, options);
    const { before, candidates } = explored;
    const { values, ...control } = explored.control;
    const texts = options.texts === undefined ? [] : await linesOf(options.texts, cwd);
    const loss =
      texts.length === 0
        ? undefined
        : {
            before: await textsLoss(model, texts, [], { signal }),
            direction: await textsLoss(model, texts, ablation(chosen, model.config), { signal }),
            random: await textsLoss(model, texts, ablation({ values }, model.config), { signal }),
          };
    const written: Record<string, string> = {};
    if (options.controlVector !== undefined) {
      // What enters a block is what the one before it writes out.
      const file = path.resolve(cwd, options.controlVector);
      await writeControlVector(file, new Map([[chosen.layer - 1, chosen.values]]));
      written["controlVector"] = file;
    }
    if (options.out !== undefined) {
      const to = path.resolve(cwd, options.out);
      await orthogonalize(model, chosen, { to, signal });
      written["path"] = to;
    }
    output.result(
      {
        ...provenance(opened, commandLine),
        seed: settings.seed,
        before,
        chosen: { ...summary(chosen), values: [...chosen.values] },
        control,
        ...(loss === undefined ? {} : { loss }),
        candidates: candidates.map((own) => summary(own)),
        ...written,
      },
      () =>
        [
          `block ${chosen.layer}, position ${chosen.position}, of ${candidates.length} directions`,
          formatTable(
            [
              { title: "" },
              { title: "score, taken out", align: "right" },
              { title: "score, added", align: "right" },
              { title: "KL", align: "right" },
            ],
            [
              ["as it is", formatNumber(before.positive), formatNumber(before.negative), ""],
              ...[["direction", chosen] as const, ["random, as long", control] as const].map(
                ([name, own]) => [
                  name,
                  formatNumber(own.withoutScore),
                  formatNumber(own.withScore),
                  formatNumber(own.divergence, 3),
                ],
              ),
            ],
          ),
          ...(loss === undefined
            ? []
            : [
                `loss of other texts ${formatNumber(loss.before)}; without the direction ${formatNumber(loss.direction)}, without a random one ${formatNumber(loss.random)} nats per token`,
              ]),
          ...Object.values(written).map((file) => `wrote ${file}`),
        ].join("\n"),
    );
  },
});

function summary({
  layer,
  position,
  withoutScore,
  withScore,
  divergence,
  refused,
}: Candidate): Record<string, string | number> {
  const found = { layer, position, withoutScore, withScore, divergence };
  return refused === undefined ? found : { ...found, refused };
}

async function bothSides(name: string | undefined, cwd: string): Promise<string[]> {
  if (name === undefined)
    throw new LabError("bad_input", "a direction needs prompts on both sides", {
      hint: "Give --positive FILE --negative FILE, a prompt in each line.",
    });
  const lines = await linesOf(name, cwd);
  if (lines.length < 2)
    throw new LabError(
      "bad_input",
      `${name} has ${lines.length} prompts; two at least are needed`,
      {
        hint: "Some are read, the others try what was read.",
      },
    );
  return lines;
}
