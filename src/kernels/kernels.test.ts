import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { detectFeatures } from "./cpu-features.ts";
import { executableCopy } from "./executable-memory.ts";
import { kernelStatus } from "./kernels.ts";

const onLinux = process.platform === "linux" && process.arch === "x64";

describe("what the processor can do", () => {
  it.runIf(onLinux)("is what the system says, for all that kernels ask about", () => {
    const info = readFileSync("/proc/cpuinfo", "utf8");
    const flags = new Set((/^flags\s*:\s*(.*)$/m.exec(info)?.[1] ?? "").split(" "));
    const known = [
      "fma",
      "f16c",
      "avx2",
      "avx512f",
      "avx512bw",
      "avx512vl",
      "avx512_vnni",
      "avx512_bf16",
    ];
    expect([...(detectFeatures() ?? [])].sort()).toEqual(known.filter((f) => flags.has(f)).sort());
  });
});

describe("executable memory", () => {
  it.runIf(onLinux)("is never writable", () => {
    const address = executableCopy(Uint8Array.of(0xc3));
    expect(address).toBeDefined();
    const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
    const own = maps.find((line) => line.startsWith(`${(address ?? 0n).toString(16)}-`));
    expect(own?.split(" ")[1]).toBe("r-xp");
  });
});

describe("PHILAB_KERNELS", () => {
  it("turns all kernels off, and says so", () => {
    expect(kernelStatus("ggml")).toEqual({
      kernels: undefined,
      reason: "turned off by PHILAB_KERNELS",
    });
  });

  it("limits kernels to some instructions, or takes the best that there are", () => {
    const features = detectFeatures();
    expect(kernelStatus("avx2").kernels?.level).toBe(features?.has("avx2") ? "avx2" : undefined);
    const best = features?.has("avx512bw") ? "avx512" : features?.has("avx2") ? "avx2" : undefined;
    expect(kernelStatus("").kernels?.level).toBe(best);
    expect(kernelStatus("").reason).not.toBe("");
  });

  it("refuses what it does not know", () => {
    expect(() => kernelStatus("fast")).toThrow(/PHILAB_KERNELS is "fast"/);
  });
});
