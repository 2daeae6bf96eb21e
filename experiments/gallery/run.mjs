#!/usr/bin/env node
/**
 * The gallery of three circuits of phi-nano (docs/interpret/gallery.md): finds heads, edges and features on some prompts, holds them
 * against the model on others, and writes findings that `philab replay` checks again and circuits that `philab circuit check` does.
 *
 *     npm run build
 *     node experiments/gallery/run.mjs [--out examples/gallery] [--prompts 24] [--only names]
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { PACKAGE_ROOT } from "../../dist/base/package.js";
import { attributionGraph } from "../../dist/features/attribution/attribute.js";
import { totalEffects } from "../../dist/features/attribution/graph.js";
import { checkTogether, withoutFeatures } from "../../dist/features/attribution/interventions.js";
import { featureDossiers } from "../../dist/features/dossiers.js";
import { readDictionary } from "../../dist/features/index.js";
import { readSequences } from "../../dist/features/sequences.js";
import { open } from "../../dist/index.js";
import * as inside from "../../dist/interpret/index.js";
import { saveCircuit } from "../../dist/interpret/circuit/file.js";
import { recordFinding, saveFinding } from "../../dist/interpret/finding.js";

const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: path.join(PACKAGE_ROOT, "examples", "gallery") },
    prompts: { type: "string", default: "24" },
    only: { type: "string" },
  },
});

/** Prompts are drawn by seed: one to find, one to judge heads and edges, one for the graphs. */
const SEEDS = { find: 1, judge: 2, graphs: 202 };
const CIRCUITS = [
  {
    name: "induction",
    task: "induction",
    edges: 900,
    claim: "phi-nano goes on with what followed a token before: heads and features of induction",
  },
  {
    name: "names",
    task: "ioi-classic",
    edges: 100,
    claim: "phi-nano gives the book to the one who was named once: heads and features of names",
  },
  {
    name: "docstring",
    task: "docstring",
    edges: 100,
    claim: "phi-nano documents the third parameter third: heads and features of a docstring",
  },
];

const phi = await open("phi-nano", { mode: "reference", threads: 1 });
const { layers, heads: perLayer } = phi.config;
const dictionaries = path.join(PACKAGE_ROOT, "models", "phi-nano", "dictionaries");
const transcoders = new Map();
for (let layer = 0; layer < layers; layer++)
  transcoders.set(layer, await readDictionary(path.join(dictionaries, `transcoder-${layer}`)));
mkdirSync(options.out, { recursive: true });

const text = (ids) => JSON.stringify(phi.tokenizer.decode([...ids]));
const percent = (share) => `${(100 * share).toFixed(0)} %`;

/** Pairs whose right answer the model gives, where asked of as many tokens as the first. */
async function pairsOf(task, seed, { count, sameLength = true }) {
  const { pairs } = inside.createTask(phi, task, { count: 4 * count, seed });
  const found = [];
  for (const pair of pairs) {
    if (found.length === count) break;
    const [logits] = (await phi.run([...pair.clean])).logits;
    const isRight = logits.indexOf(Math.max(...logits)) === pair.right[0];
    const fits = !sameLength || pair.clean.length === (found[0] ?? pair).clean.length;
    if (isRight && fits) found.push(pair);
  }
  return found;
}

async function headsOf(pairs) {
  const sweep = await inside.patchSweep(phi, pairs, {
    site: "z",
    direction: "noise",
    control: false,
  });
  return [...sweep.values]
    .map((kept, i) => ({ layer: Math.floor(i / perLayer), head: i % perLayer, lost: 1 - kept }))
    .filter(({ lost }) => lost > 0.1)
    .sort((a, b) => b.lost - a.lost);
}

async function edgesOf({ name, task, edges }) {
  const circuit = await inside.CircuitModel.open(phi);
  const found = inside.createTask(phi, task, { count: 16, seed: SEEDS.find }).pairs;
  const judged = inside.createTask(phi, task, { count: 16, seed: SEEDS.judge }).pairs;
  const effects = await inside.edgeEffects(circuit, found, { method: "eap-ig", steps: 5 });
  const { kept } = await inside.pruneCircuit(circuit, found, effects, {
    ...{ most: edges, faithfulness: 0.8, ablation: "resample" },
  });
  const check = await inside.checkCircuit(circuit, judged, kept, { controls: 5, seed: 0 });
  circuit[Symbol.dispose]();
  const file = {
    schema: 1,
    model: { name: "phi-nano", sha256: phi.fingerprint() },
    ...{ method: "eap-ig", task, seed: SEEDS.find, pairs: 16, total: circuit.graph.edges },
    edges: inside.listEdges(circuit.graph, kept, effects),
  };
  await saveCircuit(path.join(options.out, `${name}.circuit.json`), file);
  console.log(
    `edges: ${file.edges.length} of ${file.total}, the strongest ${file.edges
      .slice(0, 6)
      .map(({ edge }) => edge)
      .join(
        ", ",
      )}; faithfulness on other prompts ${check.faithfulness.toFixed(3)}, of the rest ${check.restFaithfulness.toFixed(3)}, random circuits at most ${Math.max(...check.random).toFixed(3)}`,
  );
}

const graphOf = (ids) => attributionGraph(phi, [...ids], transcoders, { maxLogits: 1 });

/** What the strongest features of a graph stand for: where each fires most in texts. */
async function features(graph, nodes) {
  const target = graph.nodes.findIndex(({ kind }) => kind === "logit");
  const effects = totalEffects(graph, target);
  const sequences = await readSequences(phi, [path.join(dictionaries, "texts.jsonl")], {
    ...{ tokens: 20_000, length: 128 },
  });
  for (const i of nodes) {
    const { layer, position, feature, activation } = graph.nodes[i];
    const { dossiers } = await featureDossiers(phi, transcoders.get(layer), sequences, {
      features: [feature],
    });
    const most = dossiers[0].activations.slice(0, 5).map(({ ids, at }) => text([ids[at]]));
    console.log(
      `  layer ${layer} feature ${feature} at ${text([graph.ids[position]])} (${position}): activation ${activation.toFixed(2)}, effect ${effects[i].toFixed(2)}; fires most at ${most.join(" ")}`,
    );
  }
}

async function graphs({ task }) {
  const pairs = await pairsOf(task, SEEDS.graphs, {
    ...{ count: Number(options.prompts), sameLength: false },
  });
  const checks = [];
  for (const { clean } of pairs)
    checks.push(await checkTogether(phi, await graphOf(clean), transcoders));
  const share = (of) => checks.filter(of).length / checks.length;
  const middle = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  console.log(
    `graphs of ${pairs.length} prompts: as predicted without the 64 top features ${percent(share(({ top }) => top.asPredicted))}, without 64 others ${percent(share(({ random }) => random.asPredicted))}, without 64 others of the same places ${percent(share(({ nearby }) => nearby.asPredicted))}; another answer ${percent(share(({ answer, top }) => top.answer !== answer))} and ${percent(share(({ answer, random }) => random.answer !== answer))}; change found/predicted, median ${middle(checks.map(({ top, predicted }) => top.found / predicted)).toFixed(2)} and ${middle(checks.map(({ random, predicted }) => random.found / predicted)).toFixed(3)}`,
  );
}

/** Numbers that a file says in few digits. */
const short = (edits) =>
  edits.map((edit) => ({
    ...edit,
    value: Array.from(edit.value, (x) => Number(x.toPrecision(5))),
  }));

async function finding({ name, task, claim }, heads) {
  const pairs = await pairsOf(task, SEEDS.judge, { count: 6 });
  const prompts = pairs.map(({ clean }) => [...clean]);
  const metric = {
    kind: "logitDifference",
    right: pairs.map(({ right }) => right[0]),
    wrong: pairs.map(({ wrong }) => wrong[0]),
  };
  const zero = (list) =>
    list.map(({ layer, head }) => ({
      ...{ op: "zero", at: `blocks.${layer}.attn.hook_z`, heads: [head] },
    }));
  const isOurs = ({ layer, head }) => heads.some((h) => h.layer === layer && h.head === head);
  // The control is the same number of heads in the same layers, as far as there are others.
  const others = heads.map(({ layer, head }, i) => {
    const all = Array.from({ length: perLayer }, (_, n) => ({
      layer,
      head: (head + 1 + n) % perLayer,
    }));
    return all.filter((own) => !isOurs(own))[i % 2] ?? all.find((own) => !isOurs(own));
  });
  const first = prompts[0];
  const graph = await graphOf(first);
  const { top, random, predicted } = await checkTogether(phi, graph, transcoders);
  const one = {
    prompts: [first],
    metric: { ...metric, right: [metric.right[0]], wrong: [metric.wrong[0]] },
  };
  const removed = (run, says, bound) =>
    prompts.map((_, prompt) => ({
      ...{ says: `prompt ${prompt}: ${says}`, ...bound },
      ...{ value: { run: "plain", prompt }, minus: { run, prompt } },
    }));
  const made = await recordFinding(phi, {
    claim,
    reference: "phi-nano",
    runs: {
      plain: { prompts, metric },
      heads: { prompts, metric, edits: zero(heads) },
      "other heads": { prompts, metric, edits: zero(others) },
      features: { ...one, edits: short(withoutFeatures(graph, transcoders, top.nodes)) },
      "other features": { ...one, edits: short(withoutFeatures(graph, transcoders, random.nodes)) },
    },
    checks: [
      ...prompts.map((_, prompt) => ({
        ...{ says: `prompt ${prompt}: the right answer is likelier`, atLeast: 1 },
        value: { run: "plain", prompt },
      })),
      ...removed("heads", "its heads carry it", { atLeast: 4 }),
      ...removed("other heads", "as many others of these layers do not", { atMost: 3 }),
      {
        says: "the graph's 64 top features carry the first prompt's answer",
        ...{ value: { run: "plain" }, minus: { run: "features" }, atLeast: 4 },
      },
      {
        says: "64 others do not",
        ...{ value: { run: "plain" }, minus: { run: "other features" }, atMost: 2 },
      },
    ],
  });
  await saveFinding(made, path.join(options.out, `${name}.finding.json`));
  const value = (run, prompt = 0) => made.runs[run].result.metric[prompt];
  console.log(
    `finding: ${text(first)}; right less wrong ${value("plain").toFixed(1)}, without ${heads.map(({ layer, head }) => `L${layer}H${head}`).join(" ")} ${value("heads").toFixed(1)}, without ${others.map(({ layer, head }) => `L${layer}H${head}`).join(" ")} ${value("other heads").toFixed(1)}; without the top features ${value("features").toFixed(1)}, without others ${value("other features").toFixed(1)}; logit predicted ${predicted.toFixed(1)}, found ${top.found.toFixed(1)}, then ${text([top.answer])}`,
  );
  await features(graph, top.nodes.slice(0, 8));
}

for (const circuit of CIRCUITS) {
  if (options.only !== undefined && circuit.name !== options.only) continue;
  console.log(`\n## ${circuit.name} (${circuit.task})`);
  const heads = await headsOf(await pairsOf(circuit.task, SEEDS.find, { count: 6 }));
  const judged = await pairsOf(circuit.task, SEEDS.judge, { count: 12 });
  const { before, removed, controls } = await inside.ablateHeads(phi, judged, heads);
  console.log(
    `heads ${heads.map(({ layer, head, lost }) => `L${layer}H${head} (${percent(lost)})`).join(", ")}: logit difference ${before.toFixed(2)}, without them ${percent(removed)} less, without as many at random ${controls.map((control) => percent(control.removed)).join(", ")}`,
  );
  await edgesOf(circuit);
  await graphs(circuit);
  await finding(circuit, heads);
}
await phi[Symbol.asyncDispose]();
