/**
 * The studio in Chromium on a real server. First what a person waits for who opens it: the first page over loopback, each time in a
 * browser context that has nothing kept, with the bundled model. Then the attention atlas: 32 × 32 heads over 256 tokens, from a
 * model with random weights.
 *
 *     npm run build
 *     node bench/studio.mjs [--layers 32] [--heads 32] [--tokens 256] [--loads 9] [--chromium /usr/bin/chromium]
 *
 * Prints the medians until the first paint, until a prompt can be typed and a click is answered by the page, and until the model's
 * first token is drawn; and what came over the wire until then. Then how long the server took for the patterns, how long the page took from their last byte to the frame that shows them, and what
 * a move of the pointer costs: the handlers, the style and the layout. The last line is JSON.
 */
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { writeSafetensors } from "../dist/checkpoint/index.js";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "32" },
    heads: { type: "string", default: "32" },
    tokens: { type: "string", default: "256" },
    loads: { type: "string", default: "9" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
const [layers, heads, tokens] = [values.layers, values.heads, values.tokens].map(Number);
const MOVES = 400;
const quantile = (list, share) =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(share * list.length))];

/** The bundled tokenizer, and weights that nobody trained. */
async function writeModel(folder) {
  const bundled = new URL("../models/phi-micro", import.meta.url).pathname;
  const known = JSON.parse(await readFile(path.join(bundled, "config.json"), "utf8"));
  const [width, inner] = [8 * heads, 16 * heads];
  const config = {
    ...known,
    ...{ num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: heads },
    ...{ hidden_size: width, intermediate_size: inner },
  };
  await mkdir(folder, { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    await cp(path.join(bundled, name), path.join(folder, name));
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  const vocabulary = config.vocab_size;
  const linear = (name, outputs, inputs) => [
    [`${name}.weight`, [outputs, inputs]],
    [`${name}.bias`, [outputs]],
  ];
  const norm = (name) => [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
  const parameters = [
    ["model.embed_tokens.weight", [vocabulary, width]],
    ...Array.from({ length: layers }, (_, l) => `model.layers.${l}`).flatMap((at) => [
      ...norm(`${at}.input_layernorm`),
      ...["q_proj", "k_proj", "v_proj", "dense"].flatMap((name) =>
        linear(`${at}.self_attn.${name}`, width, width),
      ),
      ...linear(`${at}.mlp.fc1`, inner, width),
      ...linear(`${at}.mlp.fc2`, width, inner),
    ]),
    ...norm("model.final_layernorm"),
    ...linear("lm_head", vocabulary, width),
  ];
  let state = 1;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  await writeSafetensors(
    path.join(folder, "model.safetensors"),
    parameters.map(([name, shape]) => ({ name, shape, dtype: "f32" })),
    function* ({ name, shape }) {
      const count = shape.reduce((a, b) => a * b, 1);
      const isNorm = /norm\.weight$/.test(name);
      const data = Float32Array.from({ length: count }, () =>
        isNorm ? 1 : 0.3 * next() * (name.endsWith("bias") ? 0.1 : 1),
      );
      yield new Uint8Array(data.buffer);
    },
  );
}

async function startStudio(home, model) {
  const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    [
      main,
      "studio",
      ...(model === undefined ? [] : ["--model", model]),
      "--port",
      "0",
      "--no-open",
    ],
    { env: { ...process.env, PHILAB_HOME: home }, stdio: ["ignore", "pipe", "ignore"] },
  );
  const { value = "" } = await createInterface({ input: child.stdout })
    [Symbol.asyncIterator]()
    .next();
  const [url] = /http:\/\/[\w.:[\]]+/.exec(value) ?? [];
  if (url === undefined) throw new Error(`the server says ${value}`);
  return {
    url,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", resolve);
        child.kill("SIGINT");
      }),
  };
}

/** In the page: types a prompt as soon as there is a field, clicks as soon as there is a button, and notes what came when. */
const FIRST_USE = `
  globalThis.used = new Promise((resolve) => {
    const until = (look, then) => {
      const found = look();
      if (found) then(found);
      else requestAnimationFrame(() => until(look, then));
    };
    const button = (name) => [...document.querySelectorAll("button")].find((one) => one.textContent.trim() === name && !one.disabled);
    document.addEventListener("DOMContentLoaded", () =>
      until(() => document.querySelector("main textarea") && button("Continue"), (begin) => {
        const field = document.querySelector("main textarea");
        field.value = "def add_numbers(a, b):";
        field.dispatchEvent(new Event("input", { bubbles: true }));
        setTimeout(() => {
          begin.click();
          until(() => button("Stop") || document.querySelector(".token"), () => {
            const interactiveMs = performance.now();
            until(() => document.querySelector(".token"), () => resolve({ interactiveMs, tokenMs: performance.now() }));
          });
        });
      }),
    );
  });`;

const FIRST_LOAD = `(async () => {
  const { interactiveMs, tokenMs } = await globalThis.used;
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  const own = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter(({ name, startTime }) => name.includes("/studio/") && startTime < interactiveMs);
  const bytes = own.reduce((sum, { transferSize }) => sum + transferSize, 0);
  return { paintMs: paint.startTime, interactiveMs, tokenMs, files: own.length, bytes };
})()`;

/** Cold loads, one after the other; the first, which also starts the browser's own processes, is left out. */
async function firstPage(browser, url, loads) {
  const found = [];
  for (let i = 0; i <= loads; i++) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    await page.addInitScript(FIRST_USE);
    await page.goto(`${url}/studio/`);
    const load = await page.evaluate(FIRST_LOAD);
    if (i > 0) found.push(load);
    await context.close();
  }
  const median = (key) =>
    quantile(
      found.map((load) => load[key]),
      0.5,
    );
  const keys = ["paintMs", "interactiveMs", "tokenMs", "files", "bytes"];
  return {
    loads,
    ...Object.fromEntries(keys.map((key) => [key, median(key)])),
    slowestInteractiveMs: Math.max(...found.map(({ interactiveMs }) => interactiveMs)),
  };
}

/** In the page: notes when the first atlas is shown. */
const WATCH = `
  globalThis.shown = new Promise((resolve) => {
    const look = () => {
      const canvas = document.querySelector('[aria-roledescription="attention atlas"] canvas');
      if (canvas === null || canvas.width <= 300) return requestAnimationFrame(look);
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
    };
    document.addEventListener("DOMContentLoaded", look);
  });`;

const DRAWN = `(async () => {
  const at = await globalThis.shown;
  const entry = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("/v1/lab/attention"));
  return { serverMs: entry.responseEnd - entry.requestStart, bytes: entry.encodedBodySize, drawnMs: at - entry.responseEnd };
})()`;

const HOVER = `(async () => {
  const stage = document.querySelector('[aria-roledescription="attention atlas"]');
  stage.scrollIntoView();
  const box = stage.getBoundingClientRect();
  const took = [];
  for (let i = 0; i < ${MOVES}; i++) {
    await new Promise(requestAnimationFrame);
    const place = { clientX: box.left + (box.width * ((i * 37) % 997)) / 997, clientY: box.top + (box.height * ((i * 61) % 991)) / 991 };
    const start = performance.now();
    stage.dispatchEvent(new PointerEvent("pointermove", { ...place, bubbles: true }));
    await Promise.resolve();
    await new Promise((resolve) => queueMicrotask(resolve));
    void document.body.offsetHeight;
    took.push(performance.now() - start);
  }
  return took;
})()`;

const folder = await mkdtemp(path.join(tmpdir(), "philab-studio-bench-"));
const model = path.join(folder, `random-${layers}x${heads}`);
await writeModel(model);
const browser = await chromium.launch({
  executablePath: values.chromium,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const bundled = await startStudio(path.join(folder, "home"));
await globalThis.fetch(`${bundled.url}/v1/models/phi-nano/load`, {
  ...{ method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
});
const first = await firstPage(browser, bundled.url, Number(values.loads)).finally(bundled.stop);
console.log(
  `the first page, median of ${first.loads} cold loads: ${(first.bytes / 1000).toFixed(0)} kB in ${first.files} files; first paint after ${first.paintMs.toFixed(0)} ms;` +
    ` a prompt typed and a click answered after ${first.interactiveMs.toFixed(0)} ms (at most ${first.slowestInteractiveMs.toFixed(0)}); the model's first token after ${first.tokenMs.toFixed(0)} ms`,
);
const studio = await startStudio(path.join(folder, "home"), model);
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(120_000);
  await page.addInitScript(WATCH);
  // With the start token; " a" is one.
  const prompt = `a${" a".repeat(tokens - 2)}`;
  await page.goto(
    `${studio.url}/studio/#/inspect?${new globalThis.URLSearchParams({ prompt, head: "" })}`,
  );
  const drawn = await page.evaluate(DRAWN);
  const columns = await page.evaluate("document.querySelectorAll('canvas').length");
  const moves = await page.evaluate(HOVER);
  const found = {
    first,
    ...{ layers, heads, tokens, canvases: columns, ...drawn },
    hoverMs: { median: quantile(moves, 0.5), p99: quantile(moves, 0.99), most: Math.max(...moves) },
  };
  console.log(
    `${layers} × ${heads} heads, ${tokens} tokens: the server ${found.serverMs.toFixed(0)} ms for ${(found.bytes / 2 ** 20).toFixed(1)} MiB;` +
      ` drawn ${found.drawnMs.toFixed(0)} ms after the last byte; a move of the pointer ${found.hoverMs.median.toFixed(2)} ms` +
      ` (99 % within ${found.hoverMs.p99.toFixed(2)}, at most ${found.hoverMs.most.toFixed(2)})`,
  );
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
  await studio.stop();
  await rm(folder, { recursive: true, force: true });
}
