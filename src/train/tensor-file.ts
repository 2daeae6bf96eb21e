/** Tensors in memory ⇄ a safetensors file of the same names: weights under training, and an optimiser's state. */
import { LabError } from "../base/errors.ts";
import { openSafetensors, readTensor, writeSafetensors } from "../checkpoint/index.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Writes f32 tensors, whole or not at all. */
export async function writeTensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const specs = [...tensors].map(([name, { shape }]) => ({ name, shape, dtype: "f32" }) as const);
  const data = ({ name }: { name: string }): Uint8Array[] => [
    (tensors.get(name) as Tensor).readBytes(),
  ];
  await writeSafetensors(file, specs, data, { metadata: { format: "pt" } });
}

/**
 * Reads values into tensors; nothing is written where a name, a shape or a type differs.
 *
 * @throws LabError `corrupt_file` that says what differs
 */
export async function restoreTensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const { tensors: stored } = await openSafetensors(file);
  const problems = [...tensors].flatMap(([name, { shape }]) => {
    const entry = stored.get(name);
    if (entry === undefined) return [`${name} is missing`];
    if (entry.dtype !== "f32") return [`${name} is ${entry.dtype}, not f32`];
    return sameShape(entry.shape, shape)
      ? []
      : [`${name} is ${formatShape(entry.shape)}, not ${formatShape(shape)}`];
  });
  problems.push(
    ...[...stored.keys()].filter((name) => !tensors.has(name)).map((name) => `${name} is too much`),
  );
  const [first, ...others] = problems;
  if (first !== undefined)
    throw new LabError(
      "corrupt_file",
      `${file} is of another model: ${first}${others.length > 0 ? `, and ${others.length} more` : ""}`,
      { hint: "A run goes on from its own checkpoints, with the model that it began with." },
    );
  for (const [name, tensor] of tensors) {
    const entry = stored.get(name);
    if (entry !== undefined) tensor.write(await readTensor(entry));
  }
}
