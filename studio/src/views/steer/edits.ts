/** The edit rack: what is changed inside, as a person reads it, as the address keeps it, and as the server takes it. */
import type { Edit } from "../../../../src/interpret/index.ts";
import type { VectorAnswer } from "../../api/lab.ts";

/** One line of the rack. Vectors have a line of their own: their values are no matter for an address. */
export interface RackEdit {
  at: string;
  /** `scale` by a factor: 0 takes away, 1 leaves as it is. */
  op: "scale";
  factor: number;
  heads?: number[];
  positions?: number[];
  /** Left out of the run while it is off. */
  off?: boolean;
}

/** Lines that an address can hold; what is none is told. */
export function parseEdits(texts: readonly string[]): { edits: RackEdit[]; problems: string[] } {
  const edits: RackEdit[] = [];
  const problems: string[] = [];
  for (const text of texts) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    if (isEdit(value)) edits.push(value);
    else problems.push(text.slice(0, 80));
  }
  return { edits, problems };
}

function isEdit(value: unknown): value is RackEdit {
  if (typeof value !== "object" || value === null) return false;
  const { at, op, factor, heads, positions } = value as Record<string, unknown>;
  const isList = (list: unknown): boolean =>
    list === undefined || (Array.isArray(list) && list.every((one) => Number.isInteger(one)));
  return (
    typeof at === "string" &&
    op === "scale" &&
    typeof factor === "number" &&
    isList(heads) &&
    isList(positions)
  );
}

const PLACES: Record<string, string> = {
  "attn.hook_z": "what comes out of head",
  hook_attn_out: "what attention adds",
  hook_mlp_out: "what the MLP adds",
  hook_resid_pre: "the stream before the block",
};

/** `layer 2: what comes out of head 1`. */
export function describeEdit({ at, heads, positions }: RackEdit): string {
  const [, layer = "?", place = at] = /^blocks\.(\d+|\*)\.(.*)$/.exec(at) ?? [];
  const what = PLACES[place] ?? place;
  const which = heads === undefined ? "" : ` ${heads.join(", ")}`;
  const where = positions === undefined ? "" : `, at token ${positions.join(", ")}`;
  return `${layer === "*" ? "every layer" : `layer ${layer}`}: ${what}${which}${where}`;
}

/** What the server is given: lines that are on and change something, then the vector. */
export function editsFor(
  rack: readonly RackEdit[],
  vector?: { at: string; values: readonly number[]; strength: number },
): Edit[] {
  const lines = rack
    .filter(({ off, factor }) => off !== true && factor !== 1)
    .map(({ off: _off, ...edit }) => edit as unknown as Edit);
  if (vector === undefined || vector.strength === 0) return lines;
  const { at, values, strength } = vector;
  return [...lines, { at, op: "add", value: values, scale: strength } as unknown as Edit];
}

/** The vector at its strength, or a random one of equal length in its place. */
export function vectorEdit(
  { at, values, control }: VectorAnswer,
  { strength, isControl }: { strength: number; isControl: boolean },
): { at: string; values: readonly number[]; strength: number } {
  return { at, values: isControl ? control : values, strength };
}

/** Prompts of one side, a line for each; `\n` stands for a line break in a prompt. */
export function sideOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.replaceAll("\\n", "\n"));
}
