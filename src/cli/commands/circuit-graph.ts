/** `philab circuit graph`: how features of a prompt make its answer. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatPercent, formatTable } from "../../base/format.ts";
import { toJson } from "../../base/json.ts";
import { visibleLine } from "../../base/terminal.ts";
import { listDictionaries, resolveDictionary } from "../../catalog/dictionaries.ts";
import { resolveModelReference } from "../../catalog/reference.ts";
import { attributionGraph } from "../../features/attribution/attribute.ts";
import { pruneGraph, PRUNING, type Transcoders } from "../../features/attribution/graph.ts";
import { checkGraph } from "../../features/attribution/interventions.ts";
import { neuronpediaGraph, nodeId } from "../../features/attribution/neuronpedia.ts";
import { graphPage } from "../../features/pages/graph-page.ts";
import { readDictionary } from "../../features/sae-lens.ts";
import { transcodersByLayer } from "../../features/transcoders.ts";
import { tokenName } from "../../interpret/answers.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import { pageFacts, promptOf, writePage } from "../inspect.ts";
import { openModel, provenance } from "../open-model.ts";

const share = (what: string) =>
  z.number().min(0).max(1).describe(what).meta({ placeholder: "share" });

export const command = defineCommand({
  description:
    "Makes the attribution graph of a prompt: which tokens, which features of transcoders and which errors write what later features and the likeliest next tokens read, with attention and LayerNorms as they are in this run. Pruned by influence; as Neuronpedia's graph JSON and as a page. The strongest features are then taken out in the model itself, beside random ones, and what happens is held against the graph.",
  arguments: { prompt: z.string().optional().describe("the text; or --tokens") },
  options: {
    ...flags("model", "mode", "device", "threads", "tokens", "seed", "out"),
    transcoders: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe(
        "folders of philab sae train --transcoder, or names of philab sae list, one for each layer that has one; by default the model's own",
      )
      .meta({ placeholder: "paths" }),
    graph: z
      .string()
      .min(1)
      .optional()
      .describe("write the graph as Neuronpedia's JSON")
      .meta({ placeholder: "path" }),
    nodeThreshold: share("nodes kept, by influence").default(PRUNING.nodeThreshold),
    edgeThreshold: share("edges kept, by influence").default(PRUNING.edgeThreshold),
    maxFeatures: z
      .int()
      .min(1)
      .default(2000)
      .describe("features that are nodes at most; others count as error")
      .meta({ placeholder: "count" }),
    interventions: z
      .int()
      .min(0)
      .default(8)
      .describe("features that are taken out, and random ones beside them")
      .meta({ placeholder: "count" }),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab circuit graph "When Mary and John went to the store, John gave a book to" --out graph.html --graph graph.json',
      does: "the graph of an answer, as a page and for Neuronpedia",
    },
  ],
  async run(context) {
    const { options, settings, cwd, output, signal, commandLine } = context;
    const prompt = promptOf(context);
    const transcoders = await readTranscoders(await transcoderFolders(context, options));
    const opened = await openModel(context);
    await using model = opened.model;
    using progress = output.progress({ label: "graph", unit: "nodes" });
    const graph = await attributionGraph(model, prompt, transcoders, {
      maxFeatures: options.maxFeatures,
      signal,
      onProgress: (done, total) => progress.update(done, { total }),
    });
    progress.finish();
    const pruned = pruneGraph(graph, options);
    const check =
      options.interventions === 0 || graph.features === 0
        ? undefined
        : await checkGraph(model, graph, transcoders, {
            ...{ count: options.interventions, seed: settings.seed, signal },
          });
    const named = (id: number): string => tokenName(model, id);
    const text = typeof prompt === "string" ? prompt : prompt.map(named).join("");
    const file = options.graph === undefined ? undefined : path.resolve(cwd, options.graph);
    if (file !== undefined) {
      const labels = {
        slug: path.basename(file, ".json"),
        model: opened.reference.name,
        ...{ prompt: text, tokenName: named, nodeThreshold: options.nodeThreshold },
      };
      await writeTextAtomic(file, `${toJson(neuronpediaGraph(pruned, labels))}\n`);
      output.note(`graph: ${file}`);
    }
    const written = await writePage(context, options.out, () =>
      graphPage({
        ...{ title: "How features make an answer", pruned, check, tokenName: named },
        facts: pageFacts(opened, commandLine, [["prompt", text]]),
      }),
    );
    const counts = {
      active: graph.active,
      features: graph.features,
      nodes: pruned.nodes.length,
      edges: pruned.edges.length,
    };
    const top = (check?.top ?? []).map(({ node, predicted, found }) => ({
      node: nodeId(graph.nodes[node] as (typeof graph.nodes)[number], graph.layers),
      ...{ predicted, found },
    }));
    output.result(
      {
        ...provenance(opened, commandLine),
        ...{ prompt: text, ...counts, seed: settings.seed },
        ...(check === undefined
          ? {}
          : {
              interventions: top,
              ...{ agreement: check.agreement, topEffect: check.topEffect },
              randomEffect: check.randomEffect,
            }),
        ...(file === undefined ? {} : { graph: file }),
        ...written,
      },
      () => {
        const table = formatTable(
          [
            { title: "without feature" },
            { title: "the graph says", align: "right" },
            { title: "found", align: "right" },
          ],
          top.map((own) => [own.node, formatNumber(own.predicted, 3), formatNumber(own.found, 3)]),
        );
        const head = visibleLine(
          `${counts.features} of ${counts.active} active features; ${counts.nodes} nodes and ${counts.edges} edges after pruning`,
        );
        return check === undefined
          ? head
          : `${head}\n\n${table}\nas the graph says: ${formatPercent(check.agreement)}; mean change ${formatNumber(check.topEffect, 3)}, without random features ${formatNumber(check.randomEffect, 3)}`;
      },
    );
  },
});

/** Those that are named, else those that lie with the model. */
async function transcoderFolders(
  { settings, folders, cwd }: Pick<CommandContext, "settings" | "folders" | "cwd">,
  { transcoders: asked }: { transcoders?: readonly string[] | undefined },
): Promise<string[]> {
  if (asked !== undefined)
    return Promise.all(asked.map((name) => resolveDictionary(name, { folders, cwd })));
  const model = await resolveModelReference(settings.model, { folders, cwd });
  const own = (await listDictionaries(folders)).filter(
    ({ name, kind, source }) =>
      source === "bundled" && kind === "transcoder" && name.startsWith(`${model.name}.`),
  );
  if (own.length > 0) return own.map((dictionary) => dictionary.path);
  throw new LabError("bad_input", `no transcoders were given, and ${model.name} brings none`, {
    hint: "Train some: philab sae train --data texts.jsonl --hook blocks.0.hook_mlp_out --transcoder --out t0",
  });
}

async function readTranscoders(folders: readonly string[]): Promise<Transcoders> {
  const given = await Promise.all(
    folders.map(async (name) => ({ name, dictionary: await readDictionary(name) })),
  );
  return transcodersByLayer(given);
}
