/** Machines on which kernels of our own cannot run: ggml computes, and `doctor` says why. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { build, MAIN } from "../support/built.ts";
import { refusingExecutableMemory } from "../support/refuse-executable.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), "philab-refused-"));
});
afterAll(async () => {
  await rm(home, { recursive: true });
});

interface Doctor {
  kernels: { instructions: string | null; reason: string; uses: string[] };
}

describe.runIf(process.platform === "linux" && process.arch === "x64")(
  "a system that refuses executable memory",
  () => {
    /** What the built program prints, under the filter or with another environment. */
    function philab(
      argv: readonly string[],
      { node = [], env = {} }: { node?: readonly string[]; env?: Record<string, string> },
    ): string {
      const { stdout, status } = spawnSync(process.execPath, [...node, MAIN, ...argv], {
        cwd: home,
        env: { PATH: process.env["PATH"], PHILAB_HOME: home, PHILAB_THREADS: "1", ...env },
        encoding: "utf8",
      });
      expect(status).toBe(0);
      return stdout;
    }

    it("leaves everything to ggml: doctor says so, and text is the same as with PHILAB_KERNELS=ggml", () => {
      build();
      const node = refusingExecutableMemory();
      const report = philab(["doctor", "--no-measure", "--json"], { node });
      expect((JSON.parse(report) as Doctor).kernels).toEqual({
        ...{ instructions: null, reason: "the system refuses executable memory", uses: [] },
      });
      const run = ["run", "--max-tokens", "8", "--quiet", "def add_numbers(a, b):"];
      const text = philab(run, { node });
      expect(text.trim()).not.toBe("");
      expect(text).toBe(philab(run, { env: { PHILAB_KERNELS: "ggml" } }));
    }, 60_000);
  },
);

describe.runIf(process.arch === "x64")("a processor", () => {
  afterEach(() => {
    vi.doUnmock("../../src/kernels/cpu-features.ts");
    vi.resetModules();
  });

  for (const [features, choice, wanted] of [
    [[], "", { instructions: null, reason: "the processor lacks avx2" }],
    [["fma", "avx2"], "avx512", { instructions: null, reason: "the processor lacks avx512" }],
    [["fma", "avx2"], "", { instructions: "avx2", uses: ["products of f32"] }],
  ] as const)
    it(`with ${features.join(" and ") || "neither AVX2 nor FMA"}${choice && ` and PHILAB_KERNELS=${choice}`} is told what runs`, async () => {
      vi.resetModules();
      vi.doMock("../../src/kernels/cpu-features.ts", () => ({
        detectFeatures: () => new Set<string>(features),
      }));
      vi.stubEnv("PHILAB_KERNELS", choice);
      try {
        const { philab } = await import("../support/cli.ts");
        const { out } = await philab(["doctor", "--no-measure", "--json"], { cwd: home });
        expect((JSON.parse(out) as Doctor).kernels).toMatchObject(wanted);
      } finally {
        vi.unstubAllEnvs();
      }
    });
});
