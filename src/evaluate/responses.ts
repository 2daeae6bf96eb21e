/**
 * Answers on disk, a line for each finished unit of work: what a killed run goes on from. The last line may be half
 * written; it then counts as not there.
 */
import { open, readFile, type FileHandle } from "node:fs/promises";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import type { Response } from "./task.ts";

const responseSchema = z.union([
  z.object({ logprob: z.number(), isGreedy: z.boolean() }),
  z.object({ text: z.string() }),
]);
const headSchema = z.object({ requests: z.string(), units: z.int() });
const lineSchema = z.object({ unit: z.int(), responses: z.array(responseSchema) });

export class ResponseLog {
  readonly #handle: FileHandle;
  /** Answers by unit. */
  readonly done: Map<number, Response[]>;

  private constructor(handle: FileHandle, done: Map<number, Response[]>) {
    this.#handle = handle;
    this.done = done;
  }

  /**
   * Opens the log of a run, new or as an earlier attempt left it.
   *
   * @param about - what the answers belong to; throws `bad_input` where the log is about something else
   */
  static async open(
    file: string,
    about: { requests: string; units: number },
  ): Promise<ResponseLog> {
    const text = await readFile(file, "utf8").catch(() => "");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const [first, ...lines] = whole.split("\n").filter((line) => line !== "");
    const done = new Map<number, Response[]>();
    if (first !== undefined) {
      const head = headSchema.safeParse(JSON.parse(first));
      if (head.data?.requests !== about.requests || head.data.units !== about.units)
        throw new LabError("bad_input", `${file} has answers to other questions`, {
          hint: "The data or the model changed since; begin a new run.",
        });
      for (const line of lines) {
        const { unit, responses } = lineSchema.parse(JSON.parse(line));
        done.set(unit, responses);
      }
    }
    const handle = await open(file, "a");
    await handle.truncate(Buffer.byteLength(whole));
    const log = new ResponseLog(handle, done);
    if (first === undefined) await log.#write(about);
    return log;
  }

  async add(unit: number, responses: Response[]): Promise<void> {
    await this.#write({ unit, responses });
    this.done.set(unit, responses);
  }

  async #write(line: object): Promise<void> {
    try {
      await this.#handle.appendFile(`${JSON.stringify(line)}\n`);
    } catch (error) {
      throw LabError.from(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
