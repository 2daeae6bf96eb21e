/**
 * Which process this is, so that another one can tell later whether it still lives. A process number alone is not
 * enough: numbers are reused, after a restart of the machine at once. On Linux the boot and the process's start time
 * belong to it; on macOS and BSD `ps` knows the start time; elsewhere the number alone must do.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import { z } from "zod";

export const processIdentitySchema = z.object({
  pid: z.int().min(1),
  host: z.string(),
  /** Changes when the machine restarts. */
  boot: z.string().optional(),
  /** When the process began, in whatever unit the system counts. */
  started: z.string().optional(),
});
export type ProcessIdentity = z.output<typeof processIdentitySchema>;

let own: ProcessIdentity | undefined;

export function thisProcess(): ProcessIdentity {
  own ??= {
    pid: process.pid,
    host: os.hostname(),
    ...optional("boot", bootId()),
    ...optional("started", startOf(process.pid)),
  };
  return own;
}

/** `elsewhere`: on another machine (or in another container), where it cannot be looked up. */
export function isAlive(identity: ProcessIdentity): "alive" | "dead" | "elsewhere" {
  if (identity.host !== os.hostname()) return "elsewhere";
  if (identity.boot !== undefined && identity.boot !== bootId()) return "dead";
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: there is such a process, and it is somebody else's.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return "dead";
  }
  return identity.started === undefined || identity.started === startOf(identity.pid)
    ? "alive"
    : "dead";
}

function bootId(): string | undefined {
  return readText("/proc/sys/kernel/random/boot_id")?.trim();
}

function startOf(pid: number): string | undefined {
  if (process.platform === "linux") {
    const stat = readText(`/proc/${pid}/stat`);
    // Field 22; the second, the name in parentheses, may hold spaces and parentheses itself.
    return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  }
  if (process.platform === "win32") return undefined;
  try {
    const found = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    return found.trim() || undefined;
  } catch {
    return undefined;
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: string });
}
