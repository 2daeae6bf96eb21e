/**
 * Whether a graphics card computes at all. ggml ends the process where the driver cannot run its code, as one does that is
 * older than the compiler of the package; so a process of its own tries first. That it went well is remembered.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { LabError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { enginePackageVersion, PACKAGE_ROOT } from "../base/package.ts";
import { homeFolders, resolveSettings } from "../base/settings.ts";

const TRIAL = path.join(PACKAGE_ROOT, "dist", "engine", "card-trial.js");
/** Code for the very card may have to be compiled first. */
const TRIAL_MS = 120_000;

export interface CardCheckOptions {
  /** What to run in place of the trial. */
  command?: readonly string[];
  /** Folder that remembers; `cards` in the cache of philab's home by default. */
  folder?: string;
}

const known = new Map<string, LabError | undefined>();

/** Why a card cannot compute: `engine_failed`, with what the engine said; undefined where it can. */
export function cardFault(
  { kind, description }: { kind: string; description: string },
  { command = [process.execPath, TRIAL, kind], folder = cardsFolder() }: CardCheckOptions = {},
): LabError | undefined {
  const card = `${kind} ${description} ${enginePackageVersion()} ${driverVersion()}`;
  const passed = path.join(folder, sha256(card));
  if (existsSync(passed)) return undefined;
  if (!known.has(passed)) known.set(passed, tryCard(description, command));
  const fault = known.get(passed);
  if (fault === undefined) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(passed, `${card}\n`);
  }
  return fault;
}

function tryCard(description: string, [file, ...args]: readonly string[]): LabError | undefined {
  const { status, stderr } = spawnSync(file ?? "", args, { encoding: "utf8", timeout: TRIAL_MS });
  if (status === 0) return undefined;
  const said = /error: .*/i.exec(stderr)?.[0];
  return new LabError(
    "engine_failed",
    `${description} cannot run the engine's code${said === undefined ? "" : ` (${said})`}`,
    { hint: "Update the card's driver, or pass --device cpu." },
  );
}

function cardsFolder(): string {
  return path.join(homeFolders(resolveSettings().values.home).cache, "cards");
}

/** NVIDIA's; empty where the system does not tell. */
function driverVersion(): string {
  try {
    return (
      /Kernel Module\D*([\d.]+)/.exec(readFileSync("/proc/driver/nvidia/version", "utf8"))?.[1] ??
      ""
    );
  } catch {
    return "";
  }
}
