/** What the processor is: cores that compute, and the instruction sets that decide which kernels run. */
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

/** Instruction sets that matter for matrix products, as Linux names them; empty where the system does not tell. */
export function cpuFeatures(): string[] {
  const wanted =
    /^(sse4_2|avx|avx2|fma|f16c|avx_vnni|avx512[a-z0-9_]*|amx_[a-z0-9]+|asimd|asimddp|i8mm|sve2?|bf16)$/;
  try {
    const info = readFileSync("/proc/cpuinfo", "utf8");
    const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(info)?.[1] ?? "";
    return line.split(" ").filter((flag) => wanted.test(flag));
  } catch {
    return [];
  }
}

export function cpuModel(): string {
  return os.cpus()[0]?.model.trim() ?? process.arch;
}
