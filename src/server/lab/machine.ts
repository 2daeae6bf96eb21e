/**
 * What computes here, and how fast: `philab doctor` in a process of its own, since the server itself loads no engine. Found once;
 * measured when it is asked for, and kept.
 */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { PACKAGE_ROOT } from "../../base/package.ts";
import type { FleetOptions } from "../fleet/fleet.ts";

const PROGRAM = path.join(PACKAGE_ROOT, "dist", "cli", "main.js");
const TIMEOUT_MS = 120_000;

/** What of the doctor's findings is the machine's; settings with their paths are left out. */
const machineFacts = z.object({
  philab: z.string(),
  node: z.string(),
  engine: z.object({ package: z.string(), version: z.string(), tested: z.boolean() }),
  device: z.string(),
  threads: z.int(),
  cpu: z.object({
    model: z.string(),
    features: z.array(z.string()),
    variant: z.string().nullable(),
    repacked: z.array(z.string()),
  }),
  kernels: z.object({
    instructions: z.string().nullable(),
    reason: z.string(),
    uses: z.array(z.string()),
  }),
  devices: z.array(z.object({ name: z.string(), description: z.string(), kind: z.string() })),
  advice: z.array(z.string()),
});

const machineSpeed = z.object({
  bandwidthBytesPerSecond: z.number(),
  /** By type of weights. */
  productFlops: z.record(z.string(), z.number()),
});

export type MachineFacts = z.output<typeof machineFacts>;
export interface MachineSpeed extends z.output<typeof machineSpeed> {
  /** ISO 8601. */
  measuredAt: string;
  /** Calls that models worked on meanwhile: they took their share. */
  beside: number;
}

export class Machine {
  readonly #flags: readonly string[];
  #facts: Promise<MachineFacts> | undefined;
  #measuring: Promise<MachineSpeed> | undefined;
  #speed: MachineSpeed | undefined;

  constructor({ device, threads }: Pick<FleetOptions, "device" | "threads">) {
    const asked = threads === undefined ? [] : ["--threads", String(threads)];
    this.#flags = ["--device", device, ...asked];
  }

  /** What was measured last. */
  get speed(): MachineSpeed | undefined {
    return this.#speed;
  }

  /** Throws `engine_failed` where the engine cannot be loaded. */
  facts(): Promise<MachineFacts> {
    if (this.#facts !== undefined) return this.#facts;
    const finding = this.#doctor(["--no-measure"]).then((found) => machineFacts.parse(found));
    finding.catch(() => (this.#facts = undefined)); // the next who asks tries again
    this.#facts = finding;
    return finding;
  }

  /**
   * Measures; whoever asks meanwhile gets the same.
   *
   * @param load - how many calls models are working on
   */
  measure(load: () => number): Promise<MachineSpeed> {
    this.#measuring ??= this.#measure(load).finally(() => (this.#measuring = undefined));
    return this.#measuring;
  }

  async #measure(load: () => number): Promise<MachineSpeed> {
    const before = load();
    const found = machineSpeed.parse(await this.#doctor([]));
    const beside = Math.max(before, load());
    this.#speed = { ...found, measuredAt: new Date().toISOString(), beside };
    return this.#speed;
  }

  async #doctor(more: readonly string[]): Promise<unknown> {
    const argv = [PROGRAM, "doctor", "--json", ...this.#flags, ...more];
    const { PHILAB_API_KEY: _key, ...env } = process.env;
    try {
      const options = { env, timeout: TIMEOUT_MS };
      const { stdout } = await promisify(execFile)(process.execPath, argv, options);
      return JSON.parse(stdout) as unknown;
    } catch (error) {
      throw new LabError("engine_failed", "the machine could not be looked at", {
        hint: "philab doctor says why.",
        cause: error,
      });
    }
  }
}
