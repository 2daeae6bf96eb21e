/**
 * Speed and memory of `philab data` on text made of real paragraphs, and with --python datatrove's on the same file, in turn.
 *
 *   node bench/data.mjs [--megabytes 64] [--text DIR] [--workers 1] [--python PYTHON]
 *
 * With --python: a Python with datatrove and spacy (reference/requirements.txt).
 */
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Random } from "../dist/base/random.js";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({
  options: {
    megabytes: { type: "string", default: "64" },
    text: { type: "string", default: path.join(root, "node_modules") },
    workers: { type: "string", default: "1" },
    python: { type: "string" },
    stages: { type: "string", default: "ingest,clean,dedup" },
  },
});
const megabytes = Number(values.megabytes);
const workers = Number(values.workers);
const folder = mkdtempSync(path.join(tmpdir(), "philab-bench-data-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Paragraphs of real files: documentation, declarations, sources. */
function paragraphs(directory) {
  const found = [];
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(md|ts|mjs|js|py|rst|txt)$/.test(entry.name) || bytes > 48e6)
      continue;
    const text = readFileSync(path.join(entry.parentPath, entry.name), "utf8");
    if (text.length > 400_000) continue;
    for (const paragraph of text.split(/\n\s*\n/))
      if (paragraph.length >= 80 && paragraph.length < 3000) {
        found.push(paragraph);
        bytes += paragraph.length;
      }
  }
  return found;
}

/** Documents of about 2.5 kB; one in ten is another one with a tenth of its words left out. */
function writeInput(file) {
  const random = new Random(5);
  const pool = paragraphs(values.text);
  const out = openSync(file, "w");
  const recent = [];
  let [bytes, documents] = [0, 0];
  while (bytes < megabytes * 1e6) {
    const lines = [];
    for (let i = 0; i < 400; i++) {
      let text = "";
      if (recent.length > 50 && random.uniform() < 0.1)
        text = recent[random.integer(recent.length)]
          .split(" ")
          .filter(() => random.uniform() > 0.1)
          .join(" ");
      else
        while (text.length < 1500 + 1000 * random.uniform())
          text += `${pool[random.integer(pool.length)]}\n\n`;
      if (recent.length < 5000) recent.push(text);
      else recent[random.integer(5000)] = text;
      lines.push(JSON.stringify({ id: `d${documents++}`, text }));
      bytes += Buffer.byteLength(text);
    }
    writeSync(out, `${lines.join("\n")}\n`);
  }
  closeSync(out);
  return { bytes, documents };
}

const MAX_RSS =
  "data:text/javascript,process.on('exit',()=>process.stderr.write(`\\nMAXRSS ${process.resourceUsage().maxRSS}\\n`))";

/** Runs the program; gives its peak memory in MB. */
function philab(argv) {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ["--import", MAX_RSS, path.join(root, "dist/cli/main.js"), ...argv, "--quiet"],
      {
        env: { ...process.env, PHILAB_HOME: folder },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
    child.on("close", (code) => {
      if (code !== 0) reject(new Error(err));
      else resolve(Number(/MAXRSS (\d+)/.exec(err)?.[1] ?? 0) / 1024);
    });
  });
}

/** All phases of a recipe, shards in `workers` processes at a time. */
async function pipeline(name, { input, stages, phases }) {
  const recipe = path.join(folder, `${name}.yaml`);
  const shards = Math.max(workers, Math.ceil(megabytes / 128));
  writeFileSync(recipe, JSON.stringify({ name, sources: [{ path: input }], shards, stages }));
  const out = path.join(folder, name);
  const times = {};
  let peak = 0;
  for (let phase = 0; phase < phases; phase++) {
    const queue = Array.from({ length: shards }, (_, shard) => shard);
    const worker = async () => {
      for (let shard = queue.shift(); shard !== undefined; shard = queue.shift())
        peak = Math.max(
          peak,
          await philab(["data", "run", recipe, "--out", out, "--shard", `${shard}/${shards}`]),
        );
    };
    let from = performance.now();
    await Promise.all(Array.from({ length: workers }, worker));
    times[`phase ${phase + 1}`] = (performance.now() - from) / 1000;
    from = performance.now();
    peak = Math.max(peak, await philab(["data", "merge", recipe, "--out", out]));
    times[`merge ${phase + 1}`] = (performance.now() - from) / 1000;
  }
  const seconds = Object.values(times).reduce((sum, s) => sum + s, 0);
  const manifest = JSON.parse(readFileSync(path.join(out, "manifest.json"), "utf8"));
  const kept = manifest.parts.reduce((sum, { documents }) => sum + documents, 0);
  return { out, seconds, peak, kept, times };
}

function datatrove(stage, input) {
  const { status, stdout, stderr } = spawnSync(
    values.python,
    [path.join(root, "reference/datatrove_speed.py"), stage, input],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(stderr.slice(-2000));
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

mkdirSync(path.join(folder, "input"));
const input = path.join(folder, "input", "documents.jsonl");
const { bytes, documents } = writeInput(input);
const rate = (seconds) => `${(bytes / 1e6 / seconds).toFixed(1)} MB/s`;
console.log(
  `${(bytes / 1e6).toFixed(0)} MB of text, ${documents} documents, ${workers} process(es)`,
);
const STAGES = {
  ingest: { stages: [], phases: 1 },
  clean: {
    stages: [{ use: "clean", rules: ["gopher_quality", "gopher_repetition"], pii: false }],
    phases: 1,
  },
  dedup: { stages: [{ use: "dedup" }], phases: 2 },
};
for (const name of values.stages.split(",")) {
  const { seconds, peak, kept, times } = await pipeline(name, { input, ...STAGES[name] });
  const parts = Object.entries(times)
    .map(([part, s]) => `${part} ${s.toFixed(1)} s`)
    .join(", ");
  console.log(
    `${name}: ${rate(seconds)}, ${seconds.toFixed(1)} s (${parts}), ${kept} kept, at most ${peak.toFixed(0)} MB a process`,
  );
  if (values.python === undefined || name === "ingest") continue;
  const peer = datatrove(name, path.dirname(input));
  console.log(
    `  datatrove: ${rate(peer.seconds)}, ${peer.seconds.toFixed(1)} s, ${peer.kept} kept, at most ${(peer.maxRss / 1024).toFixed(0)} MB: philab is ${(peer.seconds / seconds).toFixed(1)}x as fast`,
  );
}
