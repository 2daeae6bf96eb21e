/**
 * Control vectors as repeng writes them and llama.cpp reads them (`--control-vector`): a GGUF file with `direction.{l}` `[D]`,
 * which is added to what block l writes out. There is none for block 0.
 */
import { LabError } from "../../base/errors.ts";
import { openGguf, readTensor, writeGguf } from "../../checkpoint/index.ts";
import { ggufString, ggufValue } from "../../checkpoint/gguf-values.ts";
import { dequantizeRows } from "../../engine/quantize.ts";
import type { Edit } from "../../model/hooks/edits.ts";

/** `[D]` by block. */
export type ControlVector = ReadonlyMap<number, Float32Array>;

const ARCHITECTURE = "controlvector";
/** What llama.cpp calls the family. */
const MODEL_HINT = "phi2";

/** Throws `bad_input` for block 0 and for lists of unequal length. */
export async function writeControlVector(path: string, vector: ControlVector): Promise<void> {
  const blocks = [...vector.keys()].sort((a, b) => a - b);
  const width = vector.get(blocks[0] ?? -1)?.length ?? 0;
  if (width === 0) throw new LabError("bad_input", "the control vector has no direction");
  if ((blocks[0] ?? 0) < 1)
    throw new LabError("bad_input", "a control vector cannot change block 0 in llama.cpp", {
      hint: "Choose a later block.",
    });
  if ([...vector.values()].some(({ length }) => length !== width))
    throw new LabError("bad_input", "the directions of a control vector differ in length");
  const specs = blocks.map(
    (block) => ({ name: `direction.${block}`, dtype: "f32", shape: [width] }) as const,
  );
  const { string, uint32 } = ggufValue;
  const metadata = new Map([
    ["general.architecture", string(ARCHITECTURE)],
    [`${ARCHITECTURE}.model_hint`, string(MODEL_HINT)],
    [`${ARCHITECTURE}.layer_count`, uint32(blocks.length)],
  ]);
  await writeGguf(
    path,
    specs,
    ({ name }) => {
      const values = vector.get(Number(name.slice("direction.".length))) ?? new Float32Array();
      return [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)];
    },
    { metadata },
  );
}

/** Throws `bad_input` for what is no control vector, `corrupt_file`. */
export async function readControlVector(path: string): Promise<ControlVector> {
  const { metadata, tensors } = openGguf(path);
  const architecture = ggufString(metadata, "general.architecture");
  if (architecture !== ARCHITECTURE)
    throw new LabError(
      "bad_input",
      `${path} is no control vector, but ${architecture ?? "unnamed"}`,
    );
  const found = new Map<number, Float32Array>();
  for (const entry of tensors.values()) {
    const [, block] = /^direction\.(\d+)$/.exec(entry.name) ?? [];
    if (block === undefined || entry.shape.length !== 1)
      throw new LabError("bad_input", `${path}: ${entry.name} is no direction of a block`);
    const bytes = await readTensor(entry);
    found.set(Number(block), dequantizeRows(entry.dtype, bytes, entry.shape[0] ?? 0));
  }
  if (found.size === 0) throw new LabError("bad_input", `${path} has no direction`);
  return found;
}

/** The edits that do what llama.cpp does with the file. */
export function controlEdits(vector: ControlVector, strength = 1): Edit[] {
  return [...vector].map(([block, value]) => ({
    at: `blocks.${block}.hook_resid_post`,
    op: "add",
    value,
    scale: strength,
  }));
}
