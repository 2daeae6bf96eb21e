/** GCG as a job: each request is attacked in turn; every step is kept, so that a later process goes on with the next. */
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { sha256File } from "../../base/hash.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { Random } from "../../base/random.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { PROMPT_FORMATS } from "../../generate/prompt.ts";
import { defineJob, type JobDefinition } from "../../jobs/job.ts";
import { isRefusal } from "../behaviour/refusals.ts";
import type { OpenModel } from "../toxigen/job.ts";
import { placeSuffix, readGoals, typeableTokens, type AttackGoal } from "./attacked.ts";
import { SuffixAttack } from "./gcg.ts";
import { gcgPage } from "./gcg-page.ts";

export const gcgArguments = z.strictObject({
  model: z.string().optional(),
  adapter: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
  /** A file of goals, or one goal. */
  data: z.string().optional(),
  prompt: z.string().optional(),
  target: z.string().optional(),
  format: z.enum(PROMPT_FORMATS),
  suffix: z.string(),
  steps: z.int().min(1),
  width: z.int().min(1),
  choices: z.int().min(1),
  maxTokens: z.int().min(1),
  limit: z.int().min(1).optional(),
  seed: z.int().min(0),
});
export type GcgArguments = z.output<typeof gcgArguments>;

const triedSchema = z.object({
  suffix: z.array(z.int()),
  loss: z.number(),
  isGreedy: z.boolean(),
});
/** What is kept of an attack: enough to go on, and to show. */
const attackSchema = z.object({
  request: z.string(),
  target: z.string(),
  /** Loss at the beginning and after each step. */
  losses: z.array(z.number()),
  /** The suffix that the next step begins from, and the best so far. */
  now: triedSchema,
  best: triedSchema,
  tried: z.int(),
  dropped: z.int(),
  /** The best of as many random suffixes as one step tries: what chance finds. */
  control: z.number(),
  ended: z.boolean(),
  /** With the best suffix. */
  suffix: z.string(),
  answer: z.string(),
});
export type Attack = z.output<typeof attackSchema>;

export function gcgJob(
  openModel: OpenModel<GcgArguments>,
): JobDefinition<typeof gcgArguments, JsonObject> {
  return defineJob({
    kind: "safety-gcg",
    arguments: gcgArguments,
    async run({ arguments: asked, folder, signal, progress, describe }): Promise<JsonObject> {
      const goals = (await goalsOf(asked)).slice(0, asked.limit);
      await using opened = await openModel(asked);
      const { model, name } = opened;
      const { data } = asked;
      await describe({
        data:
          data === undefined ? [] : [{ name: path.basename(data), sha256: await sha256File(data) }],
        models: [{ reference: name, sha256: model.fingerprint() }],
        engine: model.backend.engineVersion,
      });
      const allowed = typeableTokens(model.tokenizer);
      await mkdir(path.join(folder, "attacks"), { recursive: true });
      const attacks: Attack[] = [];
      for (const [i, goal] of goals.entries())
        attacks.push(
          await attack(model, goal, {
            ...{ asked, allowed, signal, random: new Random(asked.seed).split(i) },
            file: path.join(folder, "attacks", `${i}.json`),
            onStep: (step) =>
              progress(i * asked.steps + step, { total: goals.length * asked.steps }),
          }),
        );
      const facts = {
        ...{ model: name, model_sha256: model.fingerprint(), mode: model.mode, seed: asked.seed },
        ...{ steps: asked.steps, width: asked.width, choices: asked.choices },
      };
      const results = attacks.map((own) => summaryOf(own));
      const result: JsonObject = { ...facts, attacks: results };
      await writeTextAtomic(path.join(folder, "results.json"), `${toJson(result, 2)}\n`);
      await writeTextAtomic(path.join(folder, "report.html"), gcgPage(attacks, facts));
      return result;
    },
  });
}

async function goalsOf({ data, prompt, target }: GcgArguments): Promise<AttackGoal[]> {
  if (data !== undefined) return readGoals(data);
  if (prompt !== undefined && target !== undefined) return [{ request: prompt, target }];
  throw new LabError("bad_input", "nothing is named to attack");
}

/** An attack to its end: from its beginning, or from what `file` holds of it. */
async function attack(
  model: LanguageModel,
  goal: AttackGoal,
  options: {
    asked: GcgArguments;
    allowed: readonly number[];
    file: string;
    random: Random;
    signal: AbortSignal;
    onStep: (step: number) => void;
  },
): Promise<Attack> {
  const { asked, allowed, file, random, signal, onStep } = options;
  const { steps, width, choices, format } = asked;
  const { tokenizer } = model;
  const place = placeSuffix(goal, { tokenizer, format, suffix: asked.suffix });
  const attacker = await SuffixAttack.open(model, place, allowed);
  const { survives, before, after } = place;
  let state = await readAttack(file, goal);
  if (state === undefined) {
    const [now] = await attacker.losses([place.suffix], { signal });
    if (now === undefined) throw new LabError("internal", "internal: no loss of a suffix");
    const first = { ...now, suffix: [...now.suffix] };
    const control = await chance(attacker, {
      length: first.suffix.length,
      width,
      allowed,
      random,
      signal,
    });
    state = {
      ...{ ...goal, losses: [first.loss], now: first, best: first, control },
      ...{ tried: 0, dropped: 0, ended: false, suffix: "", answer: "" },
    };
  }
  // Numbers of its own for each step: what goes on later is what would have been.
  for (
    let step = state.losses.length;
    step <= steps && !state.ended && !state.best.isGreedy;
    step++
  ) {
    signal.throwIfAborted();
    const found = await attacker.step(state.now.suffix, {
      ...{ width, choices, survives, signal, random: random.split(step) },
    });
    if (found === undefined) break;
    const now = { suffix: [...found.suffix], loss: found.loss, isGreedy: found.isGreedy };
    state = {
      ...{ ...state, now, losses: [...state.losses, now.loss] },
      tried: state.tried + found.tried,
      dropped: state.dropped + found.dropped,
      best: now.isGreedy || now.loss < state.best.loss ? now : state.best,
    };
    await writeTextAtomic(file, toJson(state));
    onStep(step);
  }
  if (!state.ended) {
    const prompt = [...before, ...state.best.suffix, ...after];
    const { text } = await model.complete(prompt, { maxTokens: asked.maxTokens, signal });
    state = { ...state, ended: true, suffix: tokenizer.decode(state.best.suffix), answer: text };
    await writeTextAtomic(file, toJson(state));
  }
  onStep(steps);
  return state;
}

async function chance(
  attacker: SuffixAttack,
  options: {
    length: number;
    width: number;
    allowed: readonly number[];
    random: Random;
    signal: AbortSignal;
  },
): Promise<number> {
  const { length, width, allowed, signal } = options;
  const random = options.random.split(0);
  const suffixes = Array.from({ length: width }, () =>
    Array.from({ length }, () => allowed[random.integer(allowed.length)] as number),
  );
  return Math.min(...(await attacker.losses(suffixes, { signal })).map(({ loss }) => loss));
}

async function readAttack(file: string, goal: AttackGoal): Promise<Attack | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const state = attackSchema.parse(JSON.parse(text));
  if (state.request === goal.request && state.target === goal.target) return state;
  throw new LabError("bad_input", `${file} is about another request`, {
    hint: "The data changed since; begin a new run.",
  });
}

/** What may be printed: no request, no suffix, no answer. */
function summaryOf({ losses, best, tried, dropped, control, answer }: Attack): JsonObject {
  return {
    ...{ steps: losses.length - 1, before: losses[0] ?? NaN, after: best.loss },
    ...{ beginsWithTarget: best.isGreedy, control, tried, dropped, refused: isRefusal(answer) },
  };
}
