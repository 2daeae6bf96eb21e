/** `philab circuit check`: whether a circuit does what it is said to do, on prompts that it was not found on. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { ABLATIONS, CircuitModel, edgesOf } from "../../interpret/index.ts";
import { checks, checksTable, openCircuit, PAIR_OPTIONS } from "../circuits.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";
import { pairsOf } from "../pairs.ts";

export const command = defineCommand({
  description:
    "Measures a circuit with everything else ablated (faithfulness: 1 where it suffices) and everything but the circuit (of the rest: 0 where nothing is missing from it), with three kinds of ablation, beside random circuits of as many edges. Give another --seed than it was found with.",
  arguments: {
    circuit: z.string().describe("a file of philab circuit discover"),
    clean: z.string().optional().describe("the prompt whose answer is right"),
    corrupted: z.string().optional().describe("its counterpart, of equally many tokens"),
  },
  options: {
    ...PAIR_OPTIONS,
    ablation: z
      .array(z.enum(ABLATIONS))
      .min(1)
      .default([...ABLATIONS])
      .describe("what edges that are left out carry")
      .meta({ placeholder: "names" }),
    controls: z
      .int()
      .min(0)
      .default(5)
      .describe("random circuits beside it")
      .meta({ placeholder: "count" }),
    atLeast: z
      .number()
      .optional()
      .describe("ends with exit code 3 where the least faithfulness is below")
      .meta({ placeholder: "share" }),
    ...flags("seed"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command: "philab circuit check names.json --task ioi-classic --limit 16 --seed 2",
      does: "how faithful it is on other prompts",
    },
  ],
  async run(context) {
    const { args, options, settings, output, signal, commandLine } = context;
    const file = await openCircuit(context, args.circuit);
    const opened = await openModel(context);
    await using model = opened.model;
    using circuit = await CircuitModel.open(model);
    const { kept, sameModel } = edgesOf(file, circuit.graph, model);
    if (!sameModel) output.warn(`the circuit was found in another model, ${file.model.name}`);
    const found = await checks(circuit, pairsOf(context, model), kept, {
      ablations: options.ablation,
      seed: settings.seed,
      controls: options.controls,
      signal,
    });
    output.result(
      { ...provenance(opened, commandLine), checks: found.map((own) => ({ ...own })) },
      () => checksTable(found),
    );
    const least = Math.min(...found.map(({ faithfulness }) => faithfulness));
    if (options.atLeast !== undefined && !(least >= options.atLeast))
      throw new LabError(
        "check_failed",
        `the circuit's faithfulness is ${least.toFixed(3)}, below ${options.atLeast}`,
      );
  },
});
