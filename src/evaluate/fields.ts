/** Columns of a row, each checked: what is missing or of another kind is told with what is there. */
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import type { Row } from "./task.ts";

export const text = z.string();
export const texts = z.array(z.string());
/** A whole number, also as text. */
export const whole = z.union([z.int(), z.string().regex(/^\d+$/)]).transform(Number);
export const choiceList = z.object({ text: texts, label: texts });

/** The columns that `schema` names. Throws `bad_input`. */
export function columns<S extends z.ZodObject>(schema: S, row: Row, task: string): z.output<S> {
  const parsed = schema.safeParse(row);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const column = String(issue?.path[0] ?? "");
  const needed = Object.keys(schema.shape).join(", ");
  throw new LabError(
    "bad_input",
    column in row
      ? `${task}: column ${issue?.path.join(".")}: ${issue?.message}`
      : `${task}: no column ${column}; this row has ${Object.keys(row).join(", ") || "none"}`,
    { hint: `Rows need the columns ${needed}, as the data set has them on the hub.` },
  );
}
