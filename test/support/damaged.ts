/** Copies of phi-mini with something wrong in them. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fixture } from "./golden.ts";

export interface HeaderEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export interface ModelParts {
  config: Record<string, unknown>;
  /** The JSON header of model.safetensors. */
  header: Record<string, HeaderEntry>;
  /** What follows the header. */
  data: Buffer;
}

const HEADER_AT = 8;

/** Writes phi-mini to `directory`, changed by `edit`, then its file of weights as `bytes` wants it. */
export async function damagedModel(
  directory: string,
  {
    edit = () => undefined,
    bytes = (file) => file,
  }: { edit?: (parts: ModelParts) => void; bytes?: (file: Buffer) => Uint8Array },
): Promise<string> {
  const config = JSON.parse(
    await readFile(fixture("phi-mini/config.json"), "utf8"),
  ) as ModelParts["config"];
  const file = await readFile(fixture("phi-mini/model.safetensors"));
  const dataAt = HEADER_AT + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(HEADER_AT, dataAt).toString()) as ModelParts["header"];
  delete header["__metadata__"];
  const parts = { config, header, data: Buffer.from(file.subarray(dataAt)) };
  edit(parts);
  await mkdir(directory);
  await writeFile(path.join(directory, "config.json"), JSON.stringify(parts.config));
  await writeFile(path.join(directory, "model.safetensors"), bytes(joined(parts)));
  return directory;
}

/** Puts `value` into the first number of a tensor. */
export function poison(name: string, value: number): (parts: ModelParts) => void {
  return ({ header, data }) => {
    data.writeFloatLE(value, entryOf(header, name).data_offsets[0]);
  };
}

/** Takes a tensor and its bytes out, so that nothing but its absence is wrong. */
export function remove(name: string): (parts: ModelParts) => void {
  return (parts) => {
    const [start, end] = entryOf(parts.header, name).data_offsets;
    delete parts.header[name];
    for (const entry of Object.values(parts.header))
      if (entry.data_offsets[0] >= end)
        entry.data_offsets = entry.data_offsets.map((at) => at - (end - start)) as [number, number];
    parts.data = Buffer.concat([parts.data.subarray(0, start), parts.data.subarray(end)]);
  };
}

export function entryOf(header: ModelParts["header"], name: string): HeaderEntry {
  const entry = header[name];
  if (entry === undefined) throw new Error(`phi-mini has no ${name}`);
  return entry;
}

function joined({ header, data }: ModelParts): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(HEADER_AT);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}
