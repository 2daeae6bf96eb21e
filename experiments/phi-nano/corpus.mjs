#!/usr/bin/env node
/**
 * phi-nano's training text and tokenizer, from a seed.
 *
 *     npm run build
 *     node experiments/phi-nano/corpus.mjs --out DIR --held-out functions.jsonl,phi-micro-eval.jsonl
 *     node experiments/phi-nano/corpus.mjs --out DIR --held-out … --part second --tokenizer FIRST/tokenizer
 *
 * Writes corpus.jsonl, validation.jsonl, tokenizer/ where none is given, and corpus.json (what was made, from what, and the check against the held-out tasks).
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
import { loadTokenizer, tokenizerFiles } from "../../dist/tokenizer/index.js";
import { trainTokenizer } from "../../dist/tokenizer/train.js";
import { standardLibrary } from "./standard-library.mjs";

/** Characters that grammars write, and that the standard library gives at most; random tokens as a share of the documents. */
const PARTS = {
  first: { seed: 1, characters: 36_000_000, library: 1_500_000, randomTokens: 0 },
  // More of what the first part leaves a model unsure about: sums, names, and copying what it never saw.
  second: {
    ...{ seed: 2, characters: 20_000_000, library: 400_000, randomTokens: 0.2 },
    shares: {
      ...{ functions: 24, families: 10, compositions: 14, instructions: 2, lessons: 1 },
      ...{
        arithmetic: 22,
        facts: 2,
        chat: 2,
        people: 10,
        agreement: 0.5,
        stories: 1.5,
        repeats: 8,
      },
    },
  },
};

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    "held-out": { type: "string", default: "" },
    part: { type: "string", default: "first" },
    tokenizer: { type: "string" },
    validation: { type: "string", default: "300" },
    vocabulary: { type: "string", default: "2048" },
  },
});
const part = PARTS[values.part];
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
  random: new Random(part.seed),
  characters: part.characters,
  sandbox,
  heldOut,
  ...(part.shares && { shares: part.shares }),
});
let next = await made.next();
for (; !next.done; next = await made.next()) {
  const { kind, topic, text } = next.value;
  documents.push({ text, source: `synth/${kind}`, licence: "MIT", ...(topic && { topic }) });
}
await sandbox[Symbol.asyncDispose]();
const report = next.value;

// Spread evenly, so that any stretch of the corpus has its share.
const library = await standardLibrary({ characters: part.library });
const clean = library.filter(({ text }) => !heldOut.occursIn(text));
const stride = Math.floor(documents.length / Math.max(1, clean.length)) + 1;
let mixed = documents.flatMap((document, i) =>
  i % stride === 0 && clean[i / stride] ? [document, clean[i / stride]] : [document],
);

if (values.tokenizer === undefined) {
  // Digits are tokens of their own: a number is read digit by digit, and a literal copied digit by digit.
  const { data } = await trainTokenizer(
    mixed.map(({ text }) => text.replace(/(\d)(?=\d)/g, "$1 ")),
    { vocabSize: Number(values.vocabulary), addBosToken: true },
  );
  await mkdir(path.join(out, "tokenizer"), { recursive: true });
  for (const [name, contents] of Object.entries(tokenizerFiles(data)))
    await writeFile(
      path.join(out, "tokenizer", name),
      `${JSON.stringify(contents, undefined, 1)}\n`,
    );
}

const repeated = await repeatedTokens(
  values.tokenizer ?? path.join(out, "tokenizer"),
  part.randomTokens * mixed.length,
);
const every = Math.ceil(mixed.length / Math.max(1, repeated.length));
mixed = mixed.flatMap((document, i) =>
  i % every === 0 && repeated[i / every] ? [document, repeated[i / every]] : [document],
);

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
  part: values.part,
  seed: part.seed,
  documents: mixed.length,
  ...(repeated.length > 0 && { randomTokens: repeated.length }),
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

/** Tokens at random, said twice or three times: whatever they are, what follows is what followed before. */
async function repeatedTokens(folder, count) {
  const tokenizer = await loadTokenizer(folder);
  const random = new Random(part.seed).split(1);
  const texts = [];
  while (texts.length < Math.floor(count)) {
    const length = 6 + random.integer(20);
    const once = Array.from({ length }, () => 1 + random.integer(tokenizer.vocabSize - 1));
    const ids = Array.from({ length: length < 14 ? 3 : 2 }, () => once).flat();
    const text = tokenizer.decode(ids);
    const again = tokenizer.encode(text);
    // Not where two of them make a third, or half a character.
    if (again.length !== ids.length || again.some((id, i) => id !== ids[i])) continue;
    texts.push({ text, source: "synth/random-tokens", licence: "MIT" });
  }
  return texts;
}
