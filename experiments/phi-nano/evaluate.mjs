#!/usr/bin/env node
/**
 * The table of phi-nano's card: greedy answers of a model to held-out tasks, functions by running them in the sandbox.
 *
 *     node experiments/phi-nano/evaluate.mjs --model DIR --tasks phi-micro-eval.jsonl --functions functions.jsonl [--mode reference]
 *
 * `--json FILE` writes the figures and every answer.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { chatPrompt, codePrompt, open, qaPrompt } from "../../dist/index.js";
import { createTask } from "../../dist/interpret/index.js";
import { PyodideSandbox } from "../../dist/sandbox/index.js";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "phi-nano" },
    tasks: { type: "string" },
    functions: { type: "string" },
    mode: { type: "string", default: "reference" },
    json: { type: "string" },
  },
});
const rows = async (file) =>
  file === undefined
    ? []
    : (await readFile(file, "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
const tasks = await rows(values.tasks);
const ofSet = (name) => tasks.filter(({ set }) => set === name);
const model = await open(values.model, { mode: values.mode });
const sandbox = await PyodideSandbox.open();
const BATCH = 32;

/** Greedy continuations, and why each ended. */
async function answers(prompts, { maxTokens, stop = [] }) {
  const found = prompts.map(() => ({ text: "", end: undefined }));
  for (let start = 0; start < prompts.length; start += BATCH) {
    const options = { temperature: 0, maxTokens, stop };
    const batch = prompts.slice(start, start + BATCH);
    for await (const { index, text, finishReason } of model.generateBatch(batch, options)) {
      found[start + index].text += text;
      found[start + index].end ??= finishReason;
    }
  }
  return found;
}

/** How many programs run to their end. */
async function passing(programs) {
  const outcomes = [];
  for (const program of programs) outcomes.push((await sandbox.run(program)).status === "passed");
  return outcomes;
}

const startsRight = ({ answer }, { text }) =>
  text.startsWith(answer) && !/^\w/.test(text.slice(answer.length));
const table = [];
const kept = {};
const record = (name, passed, asked, found) => {
  table.push([name, passed.filter(Boolean).length, passed.length]);
  kept[name] = asked.map((prompt, i) => ({
    prompt,
    text: found[i].text,
    end: found[i].end,
    passed: passed[i],
  }));
};

for (const [set, name] of [
  ["names", "names"],
  ["addition", "additions"],
]) {
  const asked = ofSet(set);
  if (asked.length === 0) continue;
  const found = await answers(
    asked.map(({ prompt }) => prompt),
    { maxTokens: 8 },
  );
  record(
    name,
    asked.map((task, i) => startsRight(task, found[i])),
    asked.map(({ prompt }) => prompt),
    found,
  );
}

const oneLine = ofSet("functions");
if (oneLine.length > 0) {
  const found = await answers(
    oneLine.map(({ prompt }) => prompt),
    { maxTokens: 64 },
  );
  const passed = await passing(
    oneLine.map(({ prompt, tests }, i) =>
      [prompt, found[i].text.split("\n")[1] ?? "", ...tests, ""].join("\n"),
    ),
  );
  record(
    "one-line functions",
    passed,
    oneLine.map(({ prompt }) => prompt),
    found,
  );
}

const functions = await rows(values.functions);
if (functions.length > 0) {
  const { stop } = codePrompt("");
  const found = await answers(
    functions.map(({ prompt }) => prompt),
    { maxTokens: 120, stop },
  );
  const passed = await passing(
    functions.map(({ prompt, tests }, i) => `${prompt}${found[i].text}\n${tests.join("\n")}\n`),
  );
  record(
    "functions.jsonl",
    passed,
    functions.map(({ prompt }) => prompt),
    found,
  );
  record(
    "functions.jsonl, ended",
    found.map(({ end }) => end !== "length"),
    [],
    found,
  );
}

// An answer ends of itself, with the end token, before anything that the formats would stop at.
const formats = {
  qa: [
    "What is 3 + 4?",
    "What is the capital of France?",
    "What is a list in Python?",
    "Which is larger, 4 or 9?",
    "Say the opposite of hot.",
    "Write a Python function double(x). Multiply x by 2.",
  ].map((text) => qaPrompt(text).prompt),
  chat: [
    "Hello!",
    "What is 3 + 4?",
    "What colour is grass?",
    "My name is Kate. What is my name?",
    "Which day comes after Monday?",
    "Thank you!",
  ].map((text) => chatPrompt([{ role: "user", text }]).prompt),
  code: [
    'def f(xs):\n    """Return the sum of the squares of the even numbers in xs."""',
    'def shout(s):\n    """Turn the text s into capitals."""',
    'def solve(n):\n    """Return the list of the divisors of n."""',
    'def last(xs):\n    """Return the largest number of xs."""',
  ],
};
for (const [format, prompts] of Object.entries(formats)) {
  const found = await answers(prompts, { maxTokens: 96 });
  record(
    `${format} ends of itself`,
    found.map(({ end }) => end === "eos"),
    prompts,
    found,
  );
}
const stories = ["Once upon a time", "One day Tom went to the park."];
record(
  "stories end of themselves",
  (await answers(stories, { maxTokens: 200 })).map(
    (story, i) => (
      (kept.stories ??= []).push({ prompt: stories[i], ...story }),
      story.end === "eos"
    ),
  ),
  [],
  [],
);

for (const name of ["induction", "ioi"]) {
  try {
    const { pairs } = createTask(model, name, { count: 64, seed: 1 });
    const found = await answers(
      pairs.map(({ clean }) => clean),
      { maxTokens: 1 },
    );
    const right = pairs.map(({ right: expected }, i) =>
      expected.some(
        (token) =>
          found[i].text === (typeof token === "number" ? model.tokenizer.decode([token]) : token),
      ),
    );
    record(name === "ioi" ? "indirect objects" : "induction on random tokens", right, [], found);
  } catch (error) {
    console.log(`${name}: left out, ${error.message}`);
  }
}

for (const [name, passed, of] of table) console.log(`| ${name} | ${passed} / ${of} |`);
if (values.json)
  await writeFile(values.json, JSON.stringify({ model: values.model, table, kept }, undefined, 1));
await sandbox[Symbol.asyncDispose]();
await model[Symbol.asyncDispose]();
