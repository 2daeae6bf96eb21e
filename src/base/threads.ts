/** How many threads compute where nobody says. */
import { readdirSync, readFileSync } from "node:fs";
import os from "node:os";

/**
 * Threads to compute with: one for each physical core. Two threads of one core share its arithmetic units, and more threads
 * than cores slow ggml down.
 */
export function defaultThreads(): number {
  const available = os.availableParallelism();
  if (process.platform !== "linux") return available;
  try {
    const root = "/sys/devices/system/cpu";
    const cores = new Set(
      readdirSync(root)
        .filter((name) => /^cpu\d+$/.test(name))
        .map((name) =>
          readFileSync(`${root}/${name}/topology/thread_siblings_list`, "utf8").trim(),
        ),
    );
    return Math.max(1, Math.min(available, cores.size));
  } catch {
    return available;
  }
}

/** Weights below which another thread costs more in waiting for each other than it brings. */
const BYTES_PER_THREAD = 16 * 2 ** 20;

/**
 * Threads for a model of `weightBytes`. ggml's threads wait for each other after every operation by spinning: in a small
 * model that takes longer than the work, and on a busy machine it takes a scheduler's time slice.
 */
export function threadsFor(weightBytes: number): number {
  return Math.max(1, Math.min(defaultThreads(), Math.floor(weightBytes / BYTES_PER_THREAD)));
}
