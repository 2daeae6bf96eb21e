#!/usr/bin/env node
/**
 * What of a model's inside survives quantisation: hooks, heads, features and circuits, each held against the same in f32.
 *
 *     npm run build
 *     node experiments/quantised-inside/run.mjs [--model phi-nano] --data TEXTS [--types q8_0,q4_k_m]
 *         [--dictionaries SAE,SAE] [--circuits FILE,FILE] [--tokens 2000]
 *
 * Prints tables as Markdown. Texts are files that philab reads; SAE is a folder of `philab sae train`, FILE one of
 * `philab circuit discover --task`. README.md has what came out.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { LoadedDictionary, readDictionary } from "../../dist/features/index.js";
import { EncodePass } from "../../dist/features/encode-pass.js";
import { open } from "../../dist/index.js";
import {
  checkCircuit,
  CircuitModel,
  edgeEffects,
  createTask,
  detectHeads,
  DETECTORS,
  edgesOf,
  readCircuit,
} from "../../dist/interpret/index.js";
import { quantizeModel } from "../../dist/model/quantize.js";
import { readTexts } from "../../dist/train/data/texts.js";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "phi-micro" },
    data: { type: "string" },
    types: { type: "string", default: "q8_0,q4_k_m" },
    dictionaries: { type: "string", default: "" },
    circuits: { type: "string", default: "" },
    tokens: { type: "string", default: "2000" },
    threads: { type: "string", default: "1" },
  },
});
if (options.data === undefined) throw new Error("--data TEXTS is needed");
const threads = Number(options.threads);
const HOOKS = [
  ...["attn.hook_q", "attn.hook_k", "attn.hook_v", "attn.hook_pattern", "attn.hook_z"],
  ...["hook_attn_out", "mlp.hook_post", "hook_mlp_out", "hook_resid_post"],
];

const reference = await open(options.model, { mode: "reference", threads });
const sequences = [];
let found = 0;
for await (const text of readTexts([options.data])) {
  const ids = [...reference.tokenizer.promptIds(text)].slice(0, 64);
  if (ids.length < 8) continue;
  sequences.push(ids);
  if ((found += ids.length) >= Number(options.tokens)) break;
}

const { layers, heads } = reference.config;
const capture = Array.from({ length: layers }, (_, l) =>
  HOOKS.map((hook) => `blocks.${l}.${hook}`),
);

/** Values of all hooks, what is answered, head scores, features, circuit: of one model. */
async function inside(model) {
  const hooks = new Map(capture.flat().map((hook) => [hook, []]));
  const next = [];
  for (const ids of sequences) {
    const run = await model.run(ids, { capture: capture.flat() });
    for (const [hook, list] of hooks) list.push(run.get(hook).values.slice());
    next.push(run.logits[0].indexOf(run.logits[0].reduce((a, b) => Math.max(a, b))));
  }
  const repeated = Array.from({ length: 40 }, (_, i) => 50 + 13 * (i % 20));
  const scores = await detectHeads(model, repeated);
  return { hooks, next, scores };
}

async function latentsOf(model, dictionary) {
  const loaded = new LoadedDictionary(dictionary, model.backend);
  const pass = new EncodePass(model, loaded, { rows: 64 });
  const latents = [];
  for (const ids of sequences) {
    const run = await model.run(ids, { capture: [dictionary.input] });
    for await (const block of pass.encode(run.get(dictionary.input).values))
      latents.push(...block.latents);
  }
  pass[Symbol.dispose]();
  loaded[Symbol.dispose]();
  return latents;
}

/** How faithful a circuit is on other prompts than it was found on, and what every edge of the model does. */
async function circuitOf(model, file) {
  const circuit = await CircuitModel.open(model);
  const { pairs } = createTask(model, file.task, { count: 8, seed: 3 });
  const { kept } = edgesOf(file, circuit.graph, model);
  const found = await checkCircuit(circuit, pairs, kept, { controls: 3 });
  const effects = await edgeEffects(circuit, pairs, { method: "eap-ig", steps: 5 });
  circuit[Symbol.dispose]();
  return { ...found, effects };
}

/** Spearman's: the correlation of ranks. */
function rankCorrelation(a, b) {
  const ranks = (values) => {
    const order = [...values.keys()].sort((i, j) => Math.abs(values[i]) - Math.abs(values[j]));
    const rank = new Float64Array(values.length);
    order.forEach((i, place) => (rank[i] = place));
    return rank;
  };
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (x.length - 1) / 2;
  let [both, own] = [0, 0];
  x.forEach((rank, i) => {
    both += (rank - middle) * (y[i] - middle);
    own += (rank - middle) ** 2;
  });
  return both / own;
}

const relative = (a, b) => {
  let [error, size] = [0, 0];
  a.forEach((list, i) => {
    list.forEach((value, j) => {
      error += (value - b[i][j]) ** 2;
      size += value ** 2;
    });
  });
  return Math.sqrt(error / size);
};
const percent = (value) => `${(100 * value).toFixed(1)} %`;
const row = (...cells) => console.log(`| ${cells.join(" | ")} |`);

const before = await inside(reference);
const listed = (text) => text.split(",").filter((name) => name !== "");
const dictionaries = [];
for (const folder of listed(options.dictionaries)) {
  const dictionary = await readDictionary(folder);
  dictionaries.push({ dictionary, features: await latentsOf(reference, dictionary) });
}
const circuits = [];
for (const name of listed(options.circuits)) {
  const file = await readCircuit(name);
  circuits.push({ file, before: await circuitOf(reference, file) });
}
const folder = mkdtempSync(path.join(os.tmpdir(), "philab-quantised-"));
try {
  for (const type of options.types.split(",")) {
    const to = path.join(folder, `${type}.gguf`);
    const written = await quantizeModel({ from: reference.path, to, type });
    const fallbacks = written.tensors.filter(({ wanted }) => wanted !== undefined).length;
    const model = await open(to, { mode: "fast", threads });
    const after = await inside(model);
    console.log(
      `\n## ${type} (${fallbacks} of ${written.tensors.length} tensors in another type, whose blocks divide their rows)\n`,
    );
    row("hook", ...Array.from({ length: layers }, (_, l) => `L${l}`));
    row("---", ...Array.from({ length: layers }, () => "---"));
    for (const hook of HOOKS)
      row(
        `${hook}: relative error`,
        ...Array.from({ length: layers }, (_, l) =>
          percent(
            relative(
              before.hooks.get(`blocks.${l}.${hook}`),
              after.hooks.get(`blocks.${l}.${hook}`),
            ),
          ),
        ),
      );
    const same = before.next.filter((id, i) => id === after.next[i]).length / before.next.length;
    console.log(`\nThe likeliest next token is the same after ${percent(same)} of the texts.`);
    for (const detector of DETECTORS) {
      const strong = before.scores.filter(({ scores }) => scores[detector] >= 0.4);
      const kept = strong.filter((own) => {
        const other = after.scores.find(
          ({ layer, head }) => layer === own.layer && head === own.head,
        );
        return other.scores[detector] >= 0.4;
      });
      const largest = Math.max(
        ...before.scores.map((own, i) =>
          Math.abs(own.scores[detector] - after.scores[i].scores[detector]),
        ),
      );
      console.log(
        `${detector}: ${kept.length} of ${strong.length} heads (of ${layers * heads}) keep a score of 0.4; largest change of a score ${largest.toFixed(3)}.`,
      );
    }
    if (dictionaries.length > 0) {
      console.log();
      row("features of", "fire in both, of those that fire in either", "error of activations");
      row("---", "---", "---");
    }
    for (const { dictionary, features } of dictionaries) {
      const others = await latentsOf(model, dictionary);
      let [both, either] = [0, 0];
      features.forEach((value, i) => {
        if (value > 0 && others[i] > 0) both++;
        if (value > 0 || others[i] > 0) either++;
      });
      row(dictionary.output, percent(both / either), percent(relative([features], [others])));
    }
    if (circuits.length > 0) {
      console.log();
      row(
        "circuit",
        "edges",
        "faithfulness",
        "in f32",
        "random",
        "edges' effects: rank correlation",
      );
      row("---", "---", "---", "---", "---", "---");
    }
    for (const { file, before: whole } of circuits) {
      const now = await circuitOf(model, file);
      row(
        ...[file.task, file.edges.length],
        ...[now.faithfulness, whole.faithfulness, Math.max(...now.random)].map((x) => x.toFixed(3)),
        rankCorrelation(whole.effects, now.effects).toFixed(3),
      );
    }
    await model[Symbol.asyncDispose]();
  }
} finally {
  await reference[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}
