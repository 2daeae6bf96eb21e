/** `philab circuit discover`: which edges between parts of a model carry an answer. */
import { circuitFile, searchCircuit } from "../../interpret/circuit/search.ts";
import { SEARCH_OPTIONS } from "../../interpret/circuit/search-options.ts";
import { CircuitModel, listEdges } from "../../interpret/index.ts";
import {
  checks,
  checksTable,
  edgesTable,
  keepCircuit,
  PAIR_ARGUMENTS,
  PAIR_OPTIONS,
} from "../circuits.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";
import { pairsOf } from "../pairs.ts";

export const command = defineCommand({
  description:
    "Finds the edges (input, heads and MLPs → queries, keys and values of heads, MLPs, logits) that carry an answer: by integrated gradients (eap-ig), one gradient (eap), patching every edge (exact), or ACDC. No head has an edge to the MLP of its layer: a parallel block has none. Says how faithful the circuit is, beside random ones of its size.",
  arguments: PAIR_ARGUMENTS,
  options: {
    ...PAIR_OPTIONS,
    ...SEARCH_OPTIONS,
    ...flags("seed", "out"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command: "philab circuit discover --task ioi-classic --edges 60 --out names.json",
      does: "the circuit of a task, as a file",
    },
  ],
  async run(context) {
    const { options, settings, output, signal, commandLine } = context;
    const { method, ablation, task } = options;
    const opened = await openModel(context);
    await using model = opened.model;
    const pairs = pairsOf(context, model);
    using circuit = await CircuitModel.open(model);
    const { graph } = circuit;
    using progress = output.progress({ label: "circuit" });
    const onProgress = (done: number, total: number): void => progress.update(done, { total });
    const { kept, effects } = await searchCircuit(circuit, pairs, {
      ...{ ...options, signal, onProgress },
    });
    progress.finish();
    const found = await checks(circuit, pairs, kept, {
      ...{ ablations: [ablation], seed: settings.seed, controls: 5, signal },
    });
    const edges = listEdges(graph, kept, effects);
    const file = circuitFile(
      { method, task, seed: settings.seed },
      {
        model: { name: opened.reference.name, sha256: model.fingerprint() },
        ...{ pairs: pairs.length, total: graph.edges, edges },
      },
    );
    const written = await keepCircuit(context, options.out, file);
    output.result(
      {
        ...provenance(opened, commandLine),
        ...{ method, total: graph.edges, edges, checks: found.map((own) => ({ ...own })) },
        ...written,
      },
      () =>
        `${edgesTable(edges)}\n${edges.length} of ${graph.edges} edges\n\n${checksTable(found)}`,
    );
  },
});
