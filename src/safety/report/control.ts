/** A model that was changed as much as an edited one, in directions that mean nothing: what any change of this size costs. */
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { readParameter } from "../../interpret/weights.ts";
import { configFromCheckpoint } from "../../model/config.ts";
import { convertModel } from "../../model/convert.ts";
import { listParameters, resolveParameters } from "../../model/parameters.ts";
import type { RowChange } from "../../model/recode.ts";

export interface ChangedParameter {
  /** By Hugging Face name. */
  name: string;
  /** ‖W′ − W‖ */
  change: number;
  /** ‖W′ − W‖ / ‖W‖; absent where W is zero. */
  share?: number;
}

/**
 * Writes to `to` the model `from`, each of whose parameters is moved as far as `edited` moved it, in a random direction.
 *
 * @returns what `edited` changed, from the largest share
 * @throws LabError `bad_input` where the models differ in shape, what reading and writing throw
 */
export async function writeEqualNormControl(
  { from, edited, to }: { from: string; edited: string; to: string },
  { seed, signal }: { seed: number; signal?: AbortSignal },
): Promise<ChangedParameter[]> {
  const [before, after] = await Promise.all([openCheckpoint(from), openCheckpoint(edited)]);
  const config = configFromCheckpoint(before);
  const parameters = listParameters(config);
  const shapes = (of: typeof parameters): string =>
    of.map(({ name, shape }) => `${name} ${shape.join()}`).join("\n");
  if (shapes(parameters) !== shapes(listParameters(configFromCheckpoint(after))))
    throw new LabError("bad_input", "the models differ in shape");
  const [old, now] = [
    resolveParameters(before, config),
    resolveParameters(after, configFromCheckpoint(after)),
  ];
  const changed: ChangedParameter[] = [];
  const changes = new Map<string, () => Promise<RowChange>>();
  for (const [i, { name, shape }] of parameters.entries()) {
    signal?.throwIfAborted();
    const [w, v] = [await readParameter(name, old), await readParameter(name, now)];
    let [size, moved] = [0, 0];
    w.forEach((value, k) => {
      size += value ** 2;
      moved += ((v[k] as number) - value) ** 2;
    });
    if (moved === 0) continue;
    const change = Math.sqrt(moved);
    changed.push({ name, change, ...(size === 0 ? {} : { share: change / Math.sqrt(size) }) });
    const count = w.length;
    const rowLength = shape.length > 1 ? (shape.at(-1) ?? 1) : 1;
    changes.set(name, () => {
      const random = new Random(seed).split(i);
      const noise = Float32Array.from({ length: count }, () => random.normal());
      const scale = change / Math.sqrt(noise.reduce((sum, value) => sum + value ** 2, 0));
      return Promise.resolve((rows, firstRow) => {
        for (let k = 0; k < rows.length; k++)
          rows[k] = (rows[k] as number) + scale * (noise[firstRow * rowLength + k] as number);
        return Promise.resolve();
      });
    });
  }
  if (changed.length === 0)
    throw new LabError(
      "bad_input",
      "the models have the same weights: there is nothing to compare",
    );
  await convertModel({ from, to, changes, ...(signal === undefined ? {} : { signal }) });
  return changed.sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
}
