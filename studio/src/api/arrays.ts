/** Arrays as the server sends them: the layout of safetensors (eight bytes of length, a JSON header, the values). */
import { Failure } from "./failure.ts";

export interface NamedArray {
  shape: readonly number[];
  /** Row-major. */
  values: Float32Array | Int32Array | Uint8Array;
}

export interface NamedArrays {
  arrays: ReadonlyMap<string, NamedArray>;
  /** What the header says beside, each value parsed as JSON. */
  metadata: Readonly<Record<string, unknown>>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [start: number, end: number];
}

export function readArrays(buffer: ArrayBuffer): NamedArrays {
  const broken = (what: string): Failure =>
    new Failure({ code: "corrupt_file", message: `the server's arrays cannot be read: ${what}` });
  if (buffer.byteLength < 8) throw broken("too short");
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (length > buffer.byteLength - 8) throw broken("the header is cut");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Record<
    string,
    Entry
  >;
  const { __metadata__: about = {}, ...entries } = header;
  const arrays = new Map<string, NamedArray>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    const [start, end] = offsets;
    const count = shape.reduce((product, size) => product * size, 1);
    const size = dtype === "U8" ? 1 : 4;
    if (end - start !== size * count || 8 + length + end > buffer.byteLength)
      throw broken(`${name} is cut`);
    // A copy: values need not begin at a multiple of four.
    const bytes = buffer.slice(8 + length + start, 8 + length + end);
    if (dtype === "F32") arrays.set(name, { shape, values: new Float32Array(bytes) });
    else if (dtype === "U8") arrays.set(name, { shape, values: new Uint8Array(bytes) });
    else if (dtype === "I32") arrays.set(name, { shape, values: new Int32Array(bytes) });
    else throw broken(`${name} has the type ${dtype}`);
  }
  const texts = about as unknown as Record<string, string>;
  const metadata = Object.entries(texts).map(([key, text]) => [key, parsed(text)]);
  return { arrays, metadata: Object.fromEntries(metadata) as Record<string, unknown> };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
