/**
 * Event files as TensorBoard reads them: records of TFRecord (length, data, and masked CRC-32C of each), each holding an
 * `Event` in protobuf's encoding. Only what scalars need is written: `tensorflow/core/util/event.proto`.
 */
import { mkdir } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { LabError } from "../base/errors.ts";
import type { StepMetrics } from "./metrics.ts";
import { AppendFile } from "./append-file.ts";

export class EventWriter {
  readonly #file: AppendFile;
  /** The file, for people. */
  readonly path: string;

  private constructor(file: AppendFile, name: string) {
    this.#file = file;
    this.path = name;
  }

  /**
   * Begins a file in `folder`, which TensorBoard shows as one run with the files that are there.
   *
   * @throws LabError `bad_input` where the folder cannot be made or written to
   */
  static async open(
    folder: string,
    {
      afterStep = 0,
      wallTimeMs = Date.now(),
    }: {
      /** The step that a resumed run goes on after: later ones of earlier files no longer count. */
      afterStep?: number;
      wallTimeMs?: number;
    } = {},
  ): Promise<EventWriter> {
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw LabError.from(error);
    });
    const seconds = Math.floor(wallTimeMs / 1000);
    const name = path.join(
      folder,
      `events.out.tfevents.${seconds}.${os.hostname()}.${process.pid}.${afterStep}`,
    );
    const writer = new EventWriter(await AppendFile.open(name), name);
    writer.#write(wallTimeMs, 0, bytesField(FILE_VERSION, Buffer.from("brain.Event:2")));
    if (afterStep > 0) {
      const start = varintField(SESSION_STATUS, SESSION_START);
      writer.#write(wallTimeMs, afterStep + 1, bytesField(SESSION_LOG, start));
    }
    return writer;
  }

  /** Queues values of a step, by tag: `train/loss`. Throws where earlier ones could not be written. */
  scalars(
    step: number,
    values: Readonly<Record<string, number>>,
    { wallTimeMs = Date.now() } = {},
  ): void {
    const summary = Object.entries(values).map(([tag, value]) =>
      bytesField(
        SUMMARY_VALUE,
        Buffer.concat([bytesField(VALUE_TAG, Buffer.from(tag)), floatField(VALUE_SIMPLE, value)]),
      ),
    );
    this.#write(wallTimeMs, step, bytesField(SUMMARY, Buffer.concat(summary)));
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #write(wallTimeMs: number, step: number, what: Buffer): void {
    const event = Buffer.concat([
      doubleField(WALL_TIME, wallTimeMs / 1000),
      ...(step === 0 ? [] : [varintField(STEP, step)]), // protobuf leaves zeros out
      what,
    ]);
    this.#file.append(record(event));
  }
}

/** A step's metrics under the tags that transformers' trainer uses. */
export function scalarsOf(metrics: StepMetrics): Record<string, number> {
  const { loss, evalLoss, learningRate, gradNorm, tokensPerSecond, epoch, more = {} } = metrics;
  const named = {
    "train/loss": loss,
    "train/learning_rate": learningRate,
    "train/grad_norm": gradNorm,
    "train/tokens_per_second": tokensPerSecond,
    "train/epoch": loss === undefined ? undefined : epoch,
    "eval/loss": evalLoss,
  };
  const others = Object.entries(more).map(
    ([name, value]) =>
      [name.startsWith("eval_") ? `eval/${name.slice(5)}` : `train/${name}`, value] as const,
  );
  return Object.fromEntries(
    [...Object.entries(named), ...others].filter(
      (entry): entry is [string, number] => entry[1] !== undefined,
    ),
  );
}

// Field numbers of Event, Summary, Summary.Value and SessionLog.
const WALL_TIME = 1;
const STEP = 2;
const FILE_VERSION = 3;
const SUMMARY = 5;
const SESSION_LOG = 7;
const SUMMARY_VALUE = 1;
const VALUE_TAG = 1;
const VALUE_SIMPLE = 2;
const SESSION_STATUS = 1;
const SESSION_START = 1;

// Wire types.
const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH_DELIMITED = 2;
const FOUR_BYTES = 5;

function key(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([key(field, VARINT), varint(value)]);
}

function bytesField(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([key(field, LENGTH_DELIMITED), varint(bytes.length), bytes]);
}

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, EIGHT_BYTES), bytes]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, FOUR_BYTES), bytes]);
}

/** A whole number that is not negative, seven bits in a byte. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.from([...bytes, left]);
}

function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, checksum(length), data, checksum(data)]);
}

/** CRC-32C, masked as TFRecord wants it: the checksum of data that holds checksums should not be special. */
function checksum(data: Uint8Array): Buffer {
  const crc = crc32c(data);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return bytes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C (Castagnoli; RFC 3720, appendix B.4). */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
