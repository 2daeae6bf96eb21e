/** `philab circuit prune`: the smallest part of a circuit that is still faithful. */
import { z } from "zod";
import { SEARCH_OPTIONS } from "../../interpret/circuit/search-options.ts";
import { CircuitModel, edgesOf, listEdges, pruneCircuit } from "../../interpret/index.ts";
import { edgesTable, keepCircuit, openCircuit, PAIR_OPTIONS } from "../circuits.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";
import { pairsOf } from "../pairs.ts";

export const command = defineCommand({
  description:
    "Leaves out a circuit's weakest edges, and those that lead nowhere without them, while it stays as faithful as asked on the prompts that are given.",
  arguments: {
    circuit: z.string().describe("a file of philab circuit discover"),
    clean: z.string().optional().describe("the prompt whose answer is right"),
    corrupted: z.string().optional().describe("its counterpart, of equally many tokens"),
  },
  options: {
    ...PAIR_OPTIONS,
    faithfulness: z
      .number()
      .positive()
      .default(0.8)
      .describe("how much of the answer it must keep; 1 is all of it")
      .meta({ placeholder: "share" }),
    ablation: SEARCH_OPTIONS.ablation,
    ...flags("seed", "out"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        "philab circuit prune names.json --task ioi-classic --faithfulness 0.9 --out small.json",
      does: "a smaller circuit that does nine tenths of the work",
    },
  ],
  async run(context) {
    const { args, options, output, signal, commandLine } = context;
    const file = await openCircuit(context, args.circuit);
    const opened = await openModel(context);
    await using model = opened.model;
    using circuit = await CircuitModel.open(model);
    const { kept: before, effects } = edgesOf(file, circuit.graph, model);
    const most = before.reduce((sum, own) => sum + own, 0);
    const { kept, faithfulness } = await pruneCircuit(circuit, pairsOf(context, model), effects, {
      ...{ most, faithfulness: options.faithfulness, ablation: options.ablation, signal },
    });
    const edges = listEdges(circuit.graph, kept, effects);
    const written = await keepCircuit(context, options.out, { ...file, edges });
    output.result(
      { ...provenance(opened, commandLine), before: most, faithfulness, edges, ...written },
      () =>
        `${edgesTable(edges)}\n${edges.length} of ${most} edges, faithfulness ${faithfulness.toFixed(3)}`,
    );
  },
});
