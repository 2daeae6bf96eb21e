/**
 * Settings: flag over PHILAB_* variable over `philab.config.json` over default, and from which of them each value came.
 * PHILAB_HOME (default `~/.philab`) is the only place that philab writes to without being given a path.
 */
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { z } from "zod";
import { LabError } from "./errors.ts";
import { checkObject, checkValue, fromText } from "./schema.ts";
import { defaultThreads } from "./threads.ts";

export const MODES = ["reference", "fast"] as const;
export type Mode = (typeof MODES)[number];

const DEVICES = ["auto", "cpu", "cuda", "vulkan", "metal"] as const;
export type Device = (typeof DEVICES)[number];

/** Every setting: what a flag, a variable and the file may say, and the words that `--help` and a form show. */
export const SETTING_SCHEMAS = {
  home: z.string().min(1).describe("folder of models, adapters, data, runs and cache"),
  model: z
    .string()
    .min(1)
    .describe("a name in the store, hf:owner/name, a directory or a .gguf file; +adapter")
    .meta({ short: "m", placeholder: "reference" }),
  mode: z.enum(MODES).describe("reference: F32 and exact operations, for claims; fast: for speed"),
  device: z.enum(DEVICES).describe("where to compute"),
  threads: z
    .int()
    .min(1)
    .max(512)
    .describe("CPU threads; default: one for each core")
    .meta({ placeholder: "count" }),
  seed: z.int().min(0).describe("of every random choice").meta({ placeholder: "number" }),
} as const;

export type SettingName = keyof typeof SETTING_SCHEMAS;
export const SETTING_NAMES = Object.keys(SETTING_SCHEMAS) as SettingName[];

export interface Settings {
  /** Absolute path. */
  home: string;
  /** A model reference; undefined is the bundled model. */
  model: string | undefined;
  mode: Mode;
  device: Device;
  threads: number;
  seed: number;
}

/** Where a value came from; `name` is the flag, the variable or the file. */
export interface SettingSource {
  from: "flag" | "environment" | "file" | "default";
  name: string;
}

export interface ResolvedSettings {
  values: Settings;
  sources: Record<SettingName, SettingSource>;
}

const CONFIG_FILE = "philab.config.json";

const fileSchema = z.strictObject({ $schema: z.string(), ...SETTING_SCHEMAS }).partial();

export interface SettingsInput {
  /** Values of flags that were given, already checked. */
  flags?: { readonly [N in SettingName]?: Settings[N] | undefined };
  env?: NodeJS.ProcessEnv;
  /** The folder that relative paths and `philab.config.json` belong to. */
  cwd?: string;
  /** What a command prefers over the common default, such as mode `reference` for a measurement. */
  defaults?: Partial<Settings>;
}

/**
 * The settings that hold, and where each came from.
 * Throws `bad_input` for a variable or file entry that is wrong or unknown, naming it.
 */
export function resolveSettings({
  flags = {},
  env = process.env,
  cwd = process.cwd(),
  defaults = {},
}: SettingsInput = {}): ResolvedSettings {
  const configPath = path.join(cwd, CONFIG_FILE);
  const file = readConfig(configPath);
  const common: Settings = {
    home: path.join(os.homedir(), ".philab"),
    model: undefined,
    mode: "fast",
    device: "auto",
    threads: defaultThreads(),
    seed: 0,
    ...defaults,
  };

  const values: Partial<Record<SettingName, unknown>> = {};
  const sources: Partial<Record<SettingName, SettingSource>> = {};
  for (const name of SETTING_NAMES) {
    const variable = `PHILAB_${name.toUpperCase()}`;
    const text = env[variable];
    if (flags[name] !== undefined) {
      values[name] = flags[name];
      sources[name] = { from: "flag", name: `--${name}` };
    } else if (text !== undefined && text !== "") {
      const schema = SETTING_SCHEMAS[name];
      values[name] = checkValue(schema, fromText(schema, text), variable);
      sources[name] = { from: "environment", name: variable };
    } else if (file[name] !== undefined) {
      values[name] = file[name];
      sources[name] = { from: "file", name: configPath };
    } else {
      values[name] = common[name];
      sources[name] = { from: "default", name: "default" };
    }
  }
  const settings = values as unknown as Settings;
  settings.home = path.resolve(cwd, expandHome(settings.home));
  return { values: settings, sources: sources as Record<SettingName, SettingSource> };
}

/** The folders under PHILAB_HOME. */
export interface HomeFolders {
  models: string;
  adapters: string;
  dictionaries: string;
  data: string;
  runs: string;
  cache: string;
}

export function homeFolders(home: string): HomeFolders {
  return {
    models: path.join(home, "models"),
    adapters: path.join(home, "adapters"),
    dictionaries: path.join(home, "dictionaries"),
    data: path.join(home, "data"),
    runs: path.join(home, "runs"),
    cache: path.join(home, "cache"),
  };
}

/** A leading `~/` as the person's home folder; shells do not expand it after `=` or inside a JSON file. */
export function expandHome(file: string): string {
  return file === "~" || /^~[\\/]/.test(file) ? path.join(os.homedir(), file.slice(1)) : file;
}

function readConfig(file: string): z.output<typeof fileSchema> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw LabError.from(error);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new LabError("bad_input", `${file} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return checkObject(fileSchema, parsed, { what: file });
}
