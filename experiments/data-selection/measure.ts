/** What a trained model can do: functions that run, and bits per byte of two texts that nothing was trained on. */
import { LanguageModel } from "philab";
import type { PythonSandbox } from "philab/sandbox";

/** An exercise as `prepare` wrote it. */
export interface WrittenExercise {
  composition: string;
  prompt: string;
  body: string;
  tests: string;
}

export interface Measured {
  /** Of each exercise: whether the likeliest continuation passes the tests, and bits and bytes of the right body. */
  exercises: { passed: boolean; completion: string; bits: number; bytes: number }[];
  /** Of each piece of the textbook. */
  textbook: { bits: number; bytes: number }[];
}

/** Where a body ends. */
const STOPS = ["\n\n", "\ndef ", "\nassert "];
const MAX_TOKENS = 64;
const TOGETHER = 12;
/** Of a program that takes milliseconds, on a machine that may do something else meanwhile. */
const PATIENCE_MS = 30_000;

export async function measure(
  modelPath: string,
  {
    exercises,
    textbook,
    sandbox,
  }: {
    exercises: readonly WrittenExercise[];
    textbook: readonly { text: string }[];
    sandbox: PythonSandbox;
  },
): Promise<Measured> {
  await using model = await LanguageModel.open(modelPath, { threads: 1 });
  const completions = await completeAll(
    model,
    // The line's end belongs to the body's first token.
    exercises.map(({ prompt }) => prompt.trimEnd()),
  );
  const measured: Measured = { exercises: [], textbook: [] };
  for (const [i, { prompt, body, tests }] of exercises.entries()) {
    const completion = completions[i]!;
    const program = `${prompt.trimEnd()}${completion}\n\n${tests}\n`;
    const { status } = await sandbox.run(program, { timeoutMs: PATIENCE_MS });
    const gold = `\n${body}`;
    const [score] = await model.score(prompt.trimEnd(), [gold]);
    const bits = -score!.logprob / Math.LN2;
    measured.exercises.push({
      ...{ passed: status === "passed", completion },
      ...{ bits, bytes: Buffer.byteLength(gold) },
    });
  }
  for (const { text } of textbook) measured.textbook.push(await textBits(model, text));
  return measured;
}

async function completeAll(model: LanguageModel, prompts: readonly string[]): Promise<string[]> {
  const texts = prompts.map(() => "");
  for (let start = 0; start < prompts.length; start += TOGETHER) {
    const batch = prompts.slice(start, start + TOGETHER);
    const options = { maxTokens: MAX_TOKENS, temperature: 0, stop: STOPS };
    for await (const { index, text } of model.generateBatch(batch, options))
      texts[start + index] += text;
  }
  return texts;
}

/** A text in windows of the context, each of whose tokens but the first is predicted. */
async function textBits(
  model: LanguageModel,
  text: string,
): Promise<{ bits: number; bytes: number }> {
  const ids = model.tokenizer.encode(text);
  let [bits, bytes] = [0, 0];
  for (let start = 0; start + 1 < ids.length; start += model.contextLength) {
    const [first, ...rest] = ids.slice(start, start + model.contextLength);
    if (first === undefined || rest.length === 0) continue;
    const [score] = await model.score([first], [rest]);
    bits -= score!.logprob / Math.LN2;
    // Bytes of the tokens that were predicted: a window may begin inside a character.
    bytes += rest.reduce((sum, id) => sum + model.tokenizer.tokenBytes(id).length, 0);
  }
  return { bits, bytes };
}
