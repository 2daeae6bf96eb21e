#!/usr/bin/env node
/**
 * The dictionaries that come with phi-nano: for every layer an autoencoder of the stream behind the block (`resid-0` …) and a transcoder
 * of the MLP (`transcoder-0` …). What is there is not made again, and an interrupted training goes on where it was.
 *
 *     npm run build
 *     node experiments/phi-nano-features/run.mjs --nano DIR --work DIR [--out models/phi-nano/dictionaries] [--only resid-2,transcoder-2]
 *
 * `--nano` is the folder that experiments/phi-nano/run.mjs wrote: its corpora are what phi-nano learned from, its validation texts what
 * neither has seen.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const { values } = parseArgs({
  options: {
    nano: { type: "string" },
    work: { type: "string" },
    out: { type: "string", default: path.join(root, "models/phi-nano/dictionaries") },
    only: { type: "string" },
    threads: { type: "string", default: "1" },
  },
});
if (values.nano === undefined || values.work === undefined) {
  console.error("give --nano, the folder of phi-nano's corpora, and --work, a folder");
  process.exit(2);
}
const nano = path.resolve(values.nano);
const work = path.resolve(values.work);
const out = path.resolve(values.out);
mkdirSync(work, { recursive: true });
mkdirSync(out, { recursive: true });

const LAYERS = 6;
const COMMON = [
  ...["--k", "16", "--training-tokens", "400000", "--train-batch-size-tokens", "512"],
  ...["--lr", "0.004", "--dead-feature-window", "50", "--dtype", "float16"],
];
/** The stream holds what attention and MLPs have said so far; a transcoder says one MLP by what it reads. */
const DICTIONARIES = Array.from({ length: LAYERS }, (_, l) => [
  [`transcoder-${l}`, `blocks.${l}.hook_mlp_out`, ["--transcoder", "--expansion-factor", "4"]],
  [`resid-${l}`, `blocks.${l}.hook_resid_post`, ["--expansion-factor", "3"]],
]).flat();

const linesOf = (file) => readFileSync(path.join(nano, file), "utf8").trimEnd().split("\n");

/** Every so-manieth document of both parts; documents stand in no order. */
const texts = path.join(work, "phi-nano-texts.jsonl");
if (!existsSync(texts)) {
  const every = (file, nth) => linesOf(file).filter((_, i) => i % nth === 0);
  const own = [...every("corpus/corpus.jsonl", 60), ...every("corpus2/corpus.jsonl", 40)];
  writeFileSync(texts, `${own.join("\n")}\n`);
}
const heldOut = path.join(out, "texts.jsonl");
if (!existsSync(heldOut)) {
  const own = ["corpus", "corpus2"].flatMap((part) => linesOf(`${part}/validation.jsonl`));
  writeFileSync(heldOut, `${own.join("\n")}\n`);
}

const home = path.join(work, "home");
const runs = path.join(home, "runs");
function philab(...argv) {
  const env = { ...process.env, PHILAB_HOME: home, PHILAB_THREADS: values.threads };
  const main = path.join(root, "dist/cli/main.js");
  const { status } = spawnSync(process.execPath, [main, ...argv], { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

for (const [name, hook, more] of DICTIONARIES) {
  if (values.only !== undefined && !values.only.split(",").includes(name)) continue;
  if (existsSync(path.join(out, name))) continue;
  const begun = existsSync(runs) ? readdirSync(runs).find((run) => run.endsWith(hook)) : undefined;
  if (begun !== undefined) philab("runs", "resume", begun);
  else
    philab(
      ...["sae", "train", "--model", "phi-nano", "--hook", hook, "--data", texts],
      ...[...more, ...COMMON, "--out", path.join(out, name)],
    );
}
