/**
 * Edits: what is to be changed on the way through a model, as data. They can be written as JSON, hashed and replayed, and
 * mean the same in a forward pass and while a text is generated. Their order counts where they change the same place.
 */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { checkObject } from "../../base/schema.ts";
import type { ModelConfig } from "../model-config.ts";
import type { HookPoint } from "../hook-points.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { editValueSchema, type EditValue } from "./edit-value.ts";
import { hasHeads, resolveHook, tailOf, type HookName } from "./names.ts";
import { assertHeads, type Positions } from "./rows.ts";

const index = z.int().min(0);
const hookName = z.string().min(1) as unknown as z.ZodType<HookName, HookName>;
const positionsSchema: z.ZodType<Positions, Positions> = z.union([
  z.array(z.int()).min(1).readonly(),
  z.strictObject({ from: z.int().optional(), to: z.int().optional() }),
]);

/** Where an edit applies; everywhere by default. */
const where = {
  /** A hook, with `*` for every layer. */
  at: hookName,
  /** Positions from the start of the text, or negative ones from the end of its prompt; or a range without its end. */
  positions: positionsSchema.optional(),
  heads: z.array(index).min(1).readonly().optional(),
  /** Some values of the last axis, such as neurons. */
  units: z.array(index).min(1).readonly().optional(),
  /** Prompts of a batch, by number. */
  prompts: z.array(index).min(1).readonly().optional(),
  /** Generation: 0 is the prompt, n the n-th token after it. A range without its end. */
  steps: z.strictObject({ from: index.optional(), to: index.optional() }).optional(),
};

const native = <T>(what: string) =>
  z.custom<T>((value) => typeof value === "function", `expected ${what}`);

/** What a host function is told beside the values. */
export interface CallbackPlace {
  hook: HookPoint;
  /** `[rows, width]` of the values; one row for each token, or for each token and head. */
  shape: readonly [rows: number, width: number];
  rows: readonly { prompt: number; position: number; head?: number }[];
}

export const editSchema = z.discriminatedUnion("op", [
  z.strictObject({ ...where, op: z.literal("zero") }),
  /** Another value: of another run, a mean, zeros. */
  z.strictObject({ ...where, op: z.literal("replace"), value: editValueSchema }),
  /** x + scale · value */
  z.strictObject({
    ...where,
    op: z.literal("add"),
    value: editValueSchema,
    scale: z.number().default(1),
  }),
  /** factor · x */
  z.strictObject({ ...where, op: z.literal("scale"), factor: z.number() }),
  /** x without its share along the directions `[W]` or `[K, W]`: x − scale · Σ ⟨x, d⟩ d, for an orthonormal basis d of them */
  z.strictObject({
    ...where,
    op: z.literal("projectOut"),
    directions: editValueSchema,
    scale: z.number().default(1),
  }),
  z.strictObject({ ...where, op: z.literal("clamp"), min: z.number(), max: z.number() }),
  /** Operations of philab's own on the rows that are edited, f32 `[rows, width]` both. No JSON. */
  z.strictObject({
    ...where,
    op: z.literal("graph"),
    apply: native<(rows: Tensor) => Tensor>("a function over tensors"),
  }),
  /** A function of the host: the graph is computed up to here, then once more with what it returns. No JSON. */
  z.strictObject({
    ...where,
    op: z.literal("callback"),
    apply:
      native<(values: Float32Array, place: CallbackPlace) => Float32Array>(
        "a function over values",
      ),
  }),
]);

/** An edit, as a caller writes it. */
export type Edit = z.input<typeof editSchema>;
type CheckedEdit = z.output<typeof editSchema>;

/** An edit of one hook point that fits the model. */
export type PlannedEdit = CheckedEdit & { hook: HookPoint };

/**
 * Checks edits against a model.
 *
 * @throws LabError `bad_input` for what is no edit, hooks, layers, heads and units that do not exist, values of another
 *   shape, and numbers that are not finite
 */
export function planEdits(edits: readonly Edit[], config: ModelConfig): PlannedEdit[] {
  return edits.flatMap((edit, i) => {
    const checked = check(edit, `edit ${i}`);
    return resolveHook(checked.at, config).map((hook) => {
      assertFits(checked, hook, config);
      return { ...checked, hook };
    });
  });
}

function check(edit: unknown, what: string): CheckedEdit {
  const op: unknown =
    typeof edit === "object" && edit !== null && "op" in edit ? edit.op : undefined;
  const option = editSchema.options.find(({ shape }) => shape.op.value === op);
  if (option === undefined)
    throw new LabError("bad_input", `${what}: op is ${JSON.stringify(op)}`, {
      hint: `It is one of ${editSchema.options.map(({ shape }) => shape.op.value).join(", ")}.`,
    });
  return checkObject(option, edit, { what });
}

function assertFits(edit: CheckedEdit, hook: HookPoint, config: ModelConfig): void {
  const tail = tailOf(hook, config);
  const { heads, units } = edit;
  if (heads !== undefined) {
    if (!hasHeads(hook, config)) throw new LabError("bad_input", `${hook} has no heads to select`);
    assertHeads(heads, config, hook);
  }
  if (tail === "pattern") {
    if (units !== undefined || edit.op === "projectOut" || edit.op === "add")
      throw new LabError(
        "unsupported",
        `${hook}: scores and patterns are replaced, scaled or set to 0`,
        {
          hint: "Their last axis counts keys, which grow with the text: they have no units and no directions.",
        },
      );
    if (edit.op === "replace") assertAxes(edit.value, hook, { leading: 3 });
    return;
  }
  const width = tail.at(-1) as number;
  const wrong = units?.find((unit) => unit >= width);
  if (wrong !== undefined)
    throw new LabError("bad_input", `${hook}: there is no unit ${wrong}`, {
      hint: `Its last axis has ${width} values, 0…${width - 1}.`,
    });
  const last = units?.length ?? width;
  if (edit.op === "replace" || edit.op === "add")
    assertAxes(edit.value, hook, { last, leading: tail.length + 1 });
  if (edit.op === "projectOut") {
    if (units !== undefined)
      throw new LabError(
        "unsupported",
        `${hook}: a direction is taken out of whole rows, not of units`,
      );
    assertAxes(edit.directions, hook, { last, leading: 1 });
  }
  if (edit.op === "clamp" && !(edit.min <= edit.max))
    throw new LabError(
      "bad_input",
      `${hook}: the smallest value ${edit.min} is above the largest ${edit.max}`,
    );
}

/** The last axis of a value must be that of the hook, and there may be as many before it as the hook has. */
function assertAxes(
  { shape, values }: EditValue,
  hook: HookPoint,
  { last, leading }: { last?: number; leading: number },
): void {
  const size = shape.at(-1);
  if ((last !== undefined && size !== last) || shape.length > leading + 1)
    throw new LabError(
      "bad_input",
      `${hook}: a value of shape [${shape.join(", ")}]`,
      last === undefined
        ? { hint: `It has at most ${leading + 1} axes.` }
        : {
            hint: `Its last axis must have ${last} values, with at most ${leading} axes before it.`,
          },
    );
  const masked = hook.endsWith("hook_attn_scores");
  const wrong = values.findIndex((x) => !Number.isFinite(x) && !(masked && x === -Infinity));
  if (wrong >= 0)
    throw new LabError(
      "bad_input",
      `${hook}: value ${wrong} is ${values[wrong]}, no finite number`,
    );
}

/**
 * Edits as JSON: what `JSON.parse` of it gives are the same edits.
 *
 * @throws LabError `unsupported` for edits that are functions
 */
export function editsToJson(edits: readonly Edit[]): string {
  return JSON.stringify(
    edits.map((edit, i) => {
      const checked = check(edit, `edit ${i}`);
      if (checked.op === "graph" || checked.op === "callback")
        throw new LabError(
          "unsupported",
          `edit ${i} at ${checked.at} is a function, which has no JSON`,
          {
            hint: "Write it with the other operations, or keep it out of what is saved.",
          },
        );
      return checked;
    }),
  );
}
