/**
 * Captures on disk: `.lab.safetensors`, with the names of hooks as names of tensors, and what made them as metadata under
 * `run.json`.
 */
import { LabError } from "../base/errors.ts";
import { packageVersion } from "../base/package.ts";
import { writeSafetensors, type TensorSpec } from "../checkpoint/index.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { Run } from "../generate/run.ts";
import { editsToJson } from "../model/hooks/edits.ts";
import type { Captured } from "../model/hooks/read.ts";

const CAPTURE_EXTENSION = ".lab.safetensors";

export interface SaveRunOptions {
  /** The command line that repeats it. */
  command?: readonly string[];
  signal?: AbortSignal;
}

/**
 * Writes what a run kept, whole or not at all: captures under their names, the places of `topK` under `name.ids`,
 * gradients under `grad.name`, and `logits` `[B, V]` of the last position.
 *
 * @throws LabError `bad_input` for a path without the extension, and edits that are functions; `disk_full`
 */
export async function saveRun(
  model: LanguageModel,
  run: Run,
  path: string,
  { command = [], signal }: SaveRunOptions = {},
): Promise<void> {
  if (!path.endsWith(CAPTURE_EXTENSION))
    throw new LabError(
      "bad_input",
      `captures are written to ${CAPTURE_EXTENSION} files, not ${path}`,
    );
  const values = new Map<string, { shape: readonly number[]; data: Float32Array | Int32Array }>();
  const add = (prefix: string, { name, shape, values: data, ids }: Captured): void => {
    values.set(prefix + name, { shape, data });
    if (ids !== undefined) values.set(`${prefix}${name}.ids`, { shape, data: ids });
  };
  for (const captured of run.captured.values()) add("", captured);
  for (const gradient of run.gradients.values()) add("grad.", gradient);
  const { vocabSize } = model.config;
  const logits = new Float32Array(run.logits.length * vocabSize);
  run.logits.forEach((row, b) => {
    logits.set(row, b * vocabSize);
  });
  values.set("logits", { shape: [run.logits.length, vocabSize], data: logits });
  const specs = [...values].map(([name, { shape, data }]): TensorSpec => ({
    name,
    shape: shape.length === 0 ? [1] : [...shape],
    dtype: data instanceof Int32Array ? "i32" : "f32",
  }));
  await writeSafetensors(
    path,
    specs,
    ({ name }) => {
      const data = values.get(name)?.data as Float32Array;
      return [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
    },
    {
      metadata: { "run.json": JSON.stringify(recordOf(model, run, command)) },
      ...(signal === undefined ? {} : { signal }),
    },
  );
}

function recordOf(model: LanguageModel, run: Run, command: readonly string[]): object {
  const { adapter, backend } = model;
  const loaded = adapter === null ? undefined : model.adapters.get(adapter);
  return {
    schema: 1,
    kind: "capture",
    command,
    models: [
      {
        reference: model.path,
        sha256: model.fingerprint(),
        ...(loaded === undefined ? {} : { adapterSha256: loaded.fingerprint }),
      },
    ],
    mode: model.mode,
    device: backend.device.kind,
    threads: backend.threads,
    versions: {
      philab: packageVersion(),
      node: process.version,
      engine: backend.engineVersion,
    },
    ids: run.ids,
    edits: JSON.parse(editsToJson(run.edits)) as unknown,
    metric: run.metric.length === 0 ? undefined : [...run.metric],
    axes: Object.fromEntries([...run.captured].map(([name, { axes }]) => [name, axes])),
  };
}
