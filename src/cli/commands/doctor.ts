/** `philab doctor`: what computes here, how fast it can be, and what would make it faster. */
import { z } from "zod";
import { formatBytes, formatTable } from "../../base/format.ts";
import { packageVersion } from "../../base/package.ts";
import { SETTING_NAMES } from "../../base/settings.ts";
import { Backend, listDevices, resolveDevice } from "../../engine/backend.ts";
import { cpuFeatures, cpuModel } from "../../engine/cpu.ts";
import {
  installCommand,
  installedPackages,
  library,
  TESTED_VERSIONS,
  type DeviceKind,
} from "../../engine/library.ts";
import { kernelStatus } from "../../kernels/kernels.ts";
import { productSpeed, readBandwidth } from "../../tensor/probe.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";

const MEASURED_TYPES = ["f32", "f16", "q8_0", "q4_k"] as const;

/** What philab's own tests exercise; the rest is used where it is installed, and said to be untested. */
const TESTED_DEVICES: readonly DeviceKind[] = ["cpu"];
const TESTED_PLATFORMS: readonly string[] = ["linux-x64"];

export const command = defineCommand({
  description:
    "Loads the engine, checks it against what philab was built for, and measures the ceilings of this machine: memory bandwidth bounds decoding, product speed bounds reading prompts.",
  options: {
    ...flags("device", "threads"),
    measure: z.boolean().default(true).describe("measure bandwidth and product speed"),
  },
  examples: [
    { command: "philab doctor", does: "engine, devices and measured speed" },
    { command: "philab doctor --no-measure", does: "only what is installed" },
  ],
  async run({ options, settings, sources, output, signal }) {
    const device = resolveDevice(settings.device);
    const { version, packageName, cpuVariant } = library(device);
    using backend = new Backend({ device, threads: settings.threads });
    const repacked = backend.repackedBufferTypes.map(({ name }) => name);
    const kernels = kernelsOf(backend);
    const devices = listDevices(device).map(({ name, description, kind, totalBytes }) => ({
      name,
      description,
      kind,
      totalBytes,
      tested: TESTED_DEVICES.includes(kind),
    }));
    const measured: { bandwidthBytesPerSecond?: number; productFlops?: Record<string, number> } =
      {};
    if (options.measure) {
      using progress = output.progress({ label: "measuring", total: 1 + MEASURED_TYPES.length });
      measured.bandwidthBytesPerSecond = await readBandwidth(backend);
      progress.update(1);
      measured.productFlops = {};
      for (const [i, dtype] of MEASURED_TYPES.entries()) {
        signal.throwIfAborted();
        measured.productFlops[dtype] = await productSpeed(backend, { dtype });
        progress.update(i + 2);
      }
    }
    const advice = advise({ version, device, threads: settings.threads });
    const result = {
      philab: packageVersion(),
      node: process.version,
      engine: { package: packageName, version, tested: TESTED_VERSIONS.includes(version) },
      device,
      threads: settings.threads,
      cpu: { model: cpuModel(), features: cpuFeatures(), variant: cpuVariant ?? null, repacked },
      kernels,
      devices,
      ...measured,
      settings: Object.fromEntries(
        SETTING_NAMES.map((name) => [name, { value: settings[name] ?? null, ...sources[name] }]),
      ),
      advice,
    };
    output.result(result, () =>
      [
        formatTable(
          [{ title: "what" }, { title: "found" }],
          [
            ["philab", `${result.philab} on Node ${result.node}`],
            ["engine", `ggml ${version} from ${packageName}`],
            [
              "device",
              `${device}, ${settings.threads} ${settings.threads === 1 ? "thread" : "threads"}`,
            ],
            ["processor", `${result.cpu.model} (${cpuVariant ?? "one build for all"})`],
            ["features", result.cpu.features.join(" ")],
            ["repacks as", repacked.join(", ") || "nothing"],
            ["own kernels", `${kernels.instructions ?? "none: ggml computes"} (${kernels.reason})`],
            ...kernels.uses.map((use): [string, string] => ["", use]),
            ...devices.map(({ name, description, tested }): [string, string] => [
              "found",
              `${name}: ${description}${tested ? "" : " (not covered by philab's tests)"}`,
            ]),
            ...(measured.bandwidthBytesPerSecond === undefined
              ? []
              : [
                  ["reads", `${formatBytes(measured.bandwidthBytesPerSecond)}/s`] as [
                    string,
                    string,
                  ],
                ]),
            ...Object.entries(measured.productFlops ?? {}).map(
              ([dtype, flops]): [string, string] => [
                `multiplies ${dtype}`,
                `${(flops / 1e9).toFixed(0)} GFLOP/s`,
              ],
            ),
            ...SETTING_NAMES.map((name): [string, string] => [
              name,
              `${settings[name] ?? "the bundled model"} (${sources[name].name})`,
            ]),
          ],
        ),
        ...advice.map((text) => `- ${text}`),
      ].join("\n"),
    );
  },
});

/** Which kernels of philab's own take over from ggml, what they do, and why those. */
function kernelsOf({ kernels, device }: Backend): {
  instructions: string | null;
  reason: string;
  uses: string[];
} {
  if (device.kind !== "cpu")
    return { instructions: null, reason: `the ${device.kind} device computes`, uses: [] };
  const { reason } = kernelStatus();
  return { instructions: kernels?.level ?? null, reason, uses: kernels?.uses ?? [] };
}

function advise({
  version,
  device,
  threads,
}: {
  version: string;
  device: DeviceKind;
  threads: number;
}): string[] {
  const advice: string[] = [];
  if (!TESTED_VERSIONS.includes(version))
    advice.push(
      `ggml ${version} is untested; philab was tested with ${TESTED_VERSIONS.join(", ")}.`,
    );
  const platform = `${process.platform}-${process.arch}`;
  if (!TESTED_PLATFORMS.includes(platform))
    advice.push(
      `${platform} is untested; philab's tests have run on ${TESTED_PLATFORMS.join(", ")}.`,
    );
  for (const kind of ["cuda", "vulkan"] as const) {
    const install = installCommand(kind);
    if (device === "cpu" && install !== undefined && installedPackages(kind).length === 0)
      advice.push(`A graphics card would be used through ${kind} after: ${install}`);
  }
  const features = cpuFeatures();
  if (
    device === "cpu" &&
    features.length > 0 &&
    !features.includes("avx2") &&
    process.arch === "x64"
  )
    advice.push("This processor has no AVX2: expect a fraction of the usual speed.");
  if (threads === 1) advice.push("One thread computes; --threads uses more cores.");
  return advice;
}
