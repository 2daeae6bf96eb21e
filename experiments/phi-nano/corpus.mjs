#!/usr/bin/env node
/**
 * phi-nano's training text and tokenizer, from a seed.
 *
 *     npm run build
 *     node experiments/phi-nano/corpus.mjs --out DIR --held-out functions.jsonl,phi-micro-eval.jsonl
 *
 * Writes corpus.jsonl, validation.jsonl, tokenizer/ and corpus.json (what was made, from what, and the check against the held-out tasks).
 * Code is run in the sandbox before it is written down. Python's standard library comes out of the pinned Pyodide.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../../dist/base/random.js";
import { HeldOut } from "../../dist/data/synth/held-out.js";
import { synthesize } from "../../dist/data/synth/synthesize.js";
import { PyodideSandbox } from "../../dist/sandbox/index.js";
import { tokenizerFiles } from "../../dist/tokenizer/index.js";
import { trainTokenizer } from "../../dist/tokenizer/train.js";
import { standardLibrary } from "./standard-library.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    "held-out": { type: "string", default: "" },
    characters: { type: "string", default: "36000000" },
    library: { type: "string", default: "1500000" },
    validation: { type: "string", default: "300" },
    vocabulary: { type: "string", default: "2048" },
    seed: { type: "string", default: "1" },
  },
});
const out = path.resolve(values.out);
await mkdir(out, { recursive: true });

const tasks = [];
for (const file of values["held-out"].split(",").filter(Boolean))
  for (const line of (await readFile(file, "utf8")).trim().split("\n"))
    tasks.push(JSON.parse(line));
const heldOut = new HeldOut(tasks);

const documents = [];
const sandbox = await PyodideSandbox.open();
const made = synthesize({
  random: new Random(Number(values.seed)),
  characters: Number(values.characters),
  sandbox,
  heldOut,
});
let next = await made.next();
for (; !next.done; next = await made.next()) {
  const { kind, topic, text } = next.value;
  documents.push({ text, source: `synth/${kind}`, licence: "MIT", ...(topic && { topic }) });
}
await sandbox[Symbol.asyncDispose]();
const report = next.value;

// Spread evenly, so that any stretch of the corpus has its share.
const library = await standardLibrary({ characters: Number(values.library) });
const clean = library.filter(({ text }) => !heldOut.occursIn(text));
const stride = Math.floor(documents.length / Math.max(1, clean.length)) + 1;
const mixed = documents.flatMap((document, i) =>
  i % stride === 0 && clean[i / stride] ? [document, clean[i / stride]] : [document],
);

// Digits are tokens of their own: a number is read digit by digit, and a literal copied digit by digit.
const { data } = await trainTokenizer(
  mixed.map(({ text }) => text.replace(/(\d)(?=\d)/g, "$1 ")),
  { vocabSize: Number(values.vocabulary), addBosToken: true },
);
await mkdir(path.join(out, "tokenizer"), { recursive: true });
for (const [name, contents] of Object.entries(tokenizerFiles(data)))
  await writeFile(path.join(out, "tokenizer", name), `${JSON.stringify(contents, undefined, 1)}\n`);

const validation = Number(values.validation);
const lines = (rows) => rows.map((row) => JSON.stringify(row)).join("\n") + "\n";
const training = lines(mixed.slice(validation));
await writeFile(path.join(out, "validation.jsonl"), lines(mixed.slice(0, validation)));
await writeFile(path.join(out, "corpus.jsonl"), training);
// Ideas may be shared with held-out functions, and a short body has few ways to be written: how many are there word for word?
const bodies = tasks.filter(({ canonical }) => canonical).map(({ canonical }) => canonical.trim());
const verbatim = new Set(
  [...new Set(bodies)].filter((body) => training.includes(JSON.stringify(body).slice(1, -1))),
);
const facts = {
  seed: Number(values.seed),
  documents: mixed.length,
  ...{ synthetic: report, library: { documents: clean.length, licence: "PSF-2.0" } },
  heldOut: {
    tasks: tasks.length,
    documentsWithOne: mixed.filter(({ text }) => heldOut.occursIn(text)).length,
    bodies: bodies.length,
    bodiesVerbatim: bodies.filter((body) => verbatim.has(body)).length,
  },
  sha256: createHash("sha256").update(training).digest("hex"),
};
await writeFile(path.join(out, "corpus.json"), `${JSON.stringify(facts, undefined, 2)}\n`);
console.log(JSON.stringify(facts, undefined, 2));
