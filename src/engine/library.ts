/**
 * Finds and loads ggml: the prebuilt shared libraries inside `@node-llama-cpp/<platform>`.
 *
 * One set of libraries is loaded per process, once, from one thread. Packages with GPU backends carry their own copy of
 * every library, so which package is loaded decides which devices exist.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import koffi, { type LibraryHandle } from "koffi";
import { LabError } from "../base/errors.ts";
import { enginePackageVersion } from "../base/package.ts";
import { bindFunctions, type GgmlApi, type Pointer } from "./api.ts";
import { assertLayout } from "./layout.ts";

/** What runs the tensors: the processor, or a graphics card through one of ggml's backends. */
export const DEVICES = ["cpu", "cuda", "vulkan", "metal"] as const;
export type DeviceKind = (typeof DEVICES)[number];

export interface Library {
  api: GgmlApi;
  /** ggml's version, such as `0.25.1`. */
  version: string;
  /** The npm package that the libraries came from. */
  packageName: string;
  directory: string;
  /** Which build of the CPU backend runs, such as `haswell` or `sapphirerapids`; undefined where there is one for all. */
  cpuVariant: string | undefined;
  /** Address of an exported function, for passing it back to ggml as a callback. */
  symbol: (name: string) => Pointer;
}

/** ggml versions whose functions and struct layouts philab was tested with. */
export const TESTED_VERSIONS = ["0.25.1"];

let loaded: Library | undefined;

/** The loaded library; loads the package that can serve `device` at the first call. */
export function library(device: DeviceKind = "cpu"): Library {
  loaded ??= load(device);
  return loaded;
}

/** The command that installs what can serve a device on this platform; undefined where there is nothing. */
export function installCommand(device: DeviceKind): string | undefined {
  const [name] = packageCandidates(device);
  return name === undefined
    ? undefined
    : `npm install @node-llama-cpp/${name}@${enginePackageVersion()}`;
}

/** Packages that can serve a device on this platform, best first, that are installed. */
export function installedPackages(
  device: DeviceKind,
): { packageName: string; directory: string }[] {
  return packageCandidates(device).flatMap((name) => {
    const directory = binaryDirectory(`@node-llama-cpp/${name}`);
    return directory === undefined ? [] : [{ packageName: `@node-llama-cpp/${name}`, directory }];
  });
}

function packageCandidates(device: DeviceKind): string[] {
  const system = { linux: "linux", darwin: "mac", win32: "win" }[process.platform as string];
  if (system === undefined) return [];
  const base = `${system}-${process.arch}`;
  const metal = base === "mac-arm64" ? [`${base}-metal`] : [];
  const cards = base === "linux-x64" || base === "win-x64" ? ["cuda", "vulkan"] : [];
  switch (device) {
    case "cuda":
    case "vulkan":
      return cards.includes(device) ? [`${base}-${device}`] : [];
    case "metal":
      return metal;
    case "cpu":
      // A card's package has the processor's libraries too: loaded first, it leaves the card within reach.
      return [...cards.map((card) => `${base}-${card}`), ...metal, base];
  }
}

function binaryDirectory(packageName: string): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    const root = dirname(dirname(require.resolve(packageName)));
    const directory = join(root, "bins", packageName.split("/")[1] ?? "");
    return existsSync(directory) ? directory : undefined;
  } catch {
    return undefined;
  }
}

function load(device: DeviceKind): Library {
  // cuBLAS would round f32 to TF32, ten bits of mantissa; as in PyTorch, who wants that asks for it.
  if (device === "cuda") process.env["NVIDIA_TF32_OVERRIDE"] ??= "0";
  const [found] = installedPackages(device);
  if (found === undefined) throw noPackage(device);
  const { packageName, directory } = found;
  const files = readdirSync(directory);
  const open = (pattern: RegExp): LibraryHandle => {
    const file = files.find((name) => pattern.test(name));
    if (file === undefined)
      throw new LabError("engine_failed", `${packageName} has no file like ${pattern.source}`, {
        hint: "Reinstall it: npm install --force",
      });
    try {
      return koffi.load(join(directory, file), { global: true });
    } catch (cause) {
      throw new LabError("engine_failed", `cannot load ${file} of ${packageName}`, {
        cause,
        hint:
          process.platform === "linux"
            ? "The prebuilt libraries need glibc; on musl systems (Alpine) use a glibc image."
            : "Reinstall it: npm install --force",
      });
    }
  };
  const libraries = [
    open(/^(lib)?ggml-base\.(so|dylib|dll)$/),
    open(/^(lib)?ggml(\.[a-z]+)?(\.v[\d.]+)?\.(so|dylib|dll)$/),
  ] as const;
  const { api, missing } = bindFunctions(libraries);
  if (missing.length > 0)
    throw new LabError(
      "engine_failed",
      `${packageName} lacks ${missing.length} functions that philab calls: ${missing.slice(0, 5).join(", ")}`,
      { hint: "Install the version that philab's package.json names." },
    );
  const symbol = (name: string): Pointer => koffi.address(libraries[0].symbol(name));
  // ggml reports what it loads on stderr; a no-op of its own as the logger keeps it quiet.
  if (process.env["PHILAB_DEBUG"] === undefined) api.ggml_log_set(symbol("ggml_time_init"), null);
  assertLayout(api);
  loadBackends(api, directory);
  const cpuVariant = loadedVariant();
  return {
    api,
    cpuVariant,
    version: api.ggml_version() ?? "unknown",
    packageName,
    directory,
    symbol,
  };
}

/** Registers the devices. `PHILAB_CPU_VARIANT=haswell` takes one build of the CPU backend instead of the best. */
function loadBackends(api: GgmlApi, directory: string): void {
  const variant = process.env["PHILAB_CPU_VARIANT"];
  if (variant === undefined) {
    api.ggml_backend_load_all_from_path(directory);
  } else {
    const files = readdirSync(directory).filter((name) => /^(lib)?ggml-cpu-/.test(name));
    const file = files.find((name) => name.includes(`ggml-cpu-${variant}.`));
    if (file === undefined || api.ggml_backend_load(join(directory, file)) === null)
      throw new LabError("bad_input", `no CPU variant "${variant}" that this processor can run`, {
        hint: `PHILAB_CPU_VARIANT takes one of: ${files.map((f) => f.replace(/.*ggml-cpu-|\..*/g, "")).join(", ")}`,
      });
  }
  if (api.ggml_backend_dev_count() === 0)
    throw new LabError("engine_failed", `no device could be opened from ${directory}`, {
      hint: "Reinstall with: npm install --force",
    });
}

/** Linux lists the libraries that a process has mapped; other systems do not tell which build was taken. */
function loadedVariant(): string | undefined {
  try {
    const maps = readFileSync("/proc/self/maps", "utf8");
    return /ggml-cpu-(\w+)\.so/.exec(maps)?.[1];
  } catch {
    return undefined;
  }
}

function noPackage(device: DeviceKind): LabError {
  const platform = `${process.platform}-${process.arch}`;
  const install = installCommand(device);
  if (install === undefined)
    return device === "cpu"
      ? new LabError("unsupported", `there is no prebuilt engine for ${platform}`, {
          hint: "philab runs on Linux (glibc), macOS and Windows, on x64 and arm64.",
        })
      : new LabError("unsupported", `there is no prebuilt engine for ${device} on ${platform}`, {
          hint: "Leave --device out to use what is there.",
        });
  return new LabError(
    device === "cpu" ? "engine_failed" : "not_found",
    `the engine package for ${device} on ${platform} is not installed`,
    { hint: install },
  );
}
