/** What the processor is: its name, and the instruction sets that decide which kernels run. */
import { readFileSync } from "node:fs";
import os from "node:os";

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
