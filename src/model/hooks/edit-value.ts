/** Values of edits: an array of 32-bit floats with its shape, which JSON holds as base64. */
import { z } from "zod";

/** For each axis: 1, or as many as there are; leading axes may be missing. */
export interface EditValue {
  shape: readonly number[];
  values: Float32Array;
  /**
   * The positions that the value's rows are of, for each prompt or for all; from 0 by default. A captured value brings
   * its own.
   */
  positions?: readonly number[] | readonly (readonly number[])[] | undefined;
  /** The heads that its heads are; from 0 by default. */
  heads?: readonly number[] | undefined;
}

/** As it may be given: numbers for the last axis, or a value with its shape, such as a captured one. */
export type EditValueInput =
  | Float32Array
  | readonly number[]
  | (Omit<EditValue, "values"> & { values: Float32Array | readonly number[] | string });

const whole = z.array(z.int().min(0)).readonly();
const numbers = z.union([z.instanceof(Float32Array), z.array(z.number())]);
const shaped = z.looseObject({
  shape: z.array(z.int().min(1)).min(1).readonly(),
  values: z.union([numbers, z.base64()]),
  positions: z.union([whole, z.array(whole).readonly()]).optional(),
  heads: whole.optional(),
});

export const editValueSchema: z.ZodType<EditValue, EditValueInput> = z
  .unknown()
  .transform((given, context): EditValue => {
    const refuse = (message: string): EditValue => {
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    };
    const list = numbers.safeParse(given);
    if (list.success) {
      if (list.data.length === 0) return refuse("no values");
      return new StoredValue({ shape: [list.data.length], values: floatsOf(list.data) });
    }
    const found = shaped.safeParse(given);
    if (!found.success) return refuse("expected numbers, or { shape, values }");
    const { shape, values, positions, heads } = found.data;
    const floats = typeof values === "string" ? fromBase64(values) : floatsOf(values);
    const size = shape.reduce((a, b) => a * b, 1);
    if (floats?.length !== size)
      return refuse(`${floats?.length ?? "broken"} values for the shape [${shape.join(", ")}]`);
    return new StoredValue({ shape, values: floats, positions, heads });
  }) as unknown as z.ZodType<EditValue, EditValueInput>;

class StoredValue implements EditValue {
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly positions: EditValue["positions"];
  readonly heads: EditValue["heads"];

  constructor({ shape, values, positions, heads }: EditValue) {
    this.shape = shape;
    this.values = values;
    this.positions = positions;
    this.heads = heads;
  }

  toJSON(): unknown {
    const { shape, values, positions, heads } = this;
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    return { shape, values: bytes.toString("base64"), positions, heads };
  }
}

function floatsOf(values: Float32Array | readonly number[]): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

/** Little-endian, as every processor that philab runs on. */
function fromBase64(text: string): Float32Array | undefined {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length % 4 !== 0) return undefined;
  return new Float32Array(new Uint8Array(bytes).buffer);
}
