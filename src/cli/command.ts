/**
 * What a command is. Arguments and options are zod schemas, one per name: the same schemas check a flag here, a field of
 * a request on the server and a form in the studio. How to add one: CONTRIBUTING.md.
 */
import type { z } from "zod";
import type { HomeFolders, ResolvedSettings, SettingName, Settings } from "../base/settings.ts";
import type { Output } from "./output.ts";

/** Named schemas, in the order in which `--help` shows them. */
export type Schemas = Readonly<Record<string, z.ZodType>>;

type Parsed<S extends Schemas> = { [K in keyof S]: z.output<S[K]> };

/**
 * A command's options without the settings among them (`model`, `threads`, …): those have defaults in variables and in
 * `philab.config.json`, and are read from `context.settings`, never from here.
 */
export type OptionValues<O extends Schemas> = Omit<Parsed<O>, SettingName>;

/** What a command is given when it runs. */
export interface CommandContext<A extends Schemas = Schemas, O extends Schemas = Schemas> {
  /** Positional arguments by name. */
  readonly args: Parsed<A>;
  readonly options: OptionValues<O>;
  /** Flag over PHILAB_* variable over `philab.config.json` over default. */
  readonly settings: Settings;
  /** Where each setting came from. */
  readonly sources: ResolvedSettings["sources"];
  /** The folders under PHILAB_HOME; not yet created. */
  readonly folders: HomeFolders;
  readonly output: Output;
  /** Aborted by Ctrl-C, by SIGTERM, and when nobody reads stdout any more. */
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** The command line that repeats this run, for result files: `["philab", "run", …]`. */
  readonly commandLine: readonly string[];
}

export interface CommandExample {
  /** What a person types. */
  command: string;
  /** What it does, in a few words. */
  does: string;
}

export interface CommandDefinition<A extends Schemas = Schemas, O extends Schemas = Schemas> {
  /** What `--help` says beyond the one line of the command table. */
  description?: string;
  /** Positional arguments; only the last may be a list (`z.array`), optional ones follow the required. */
  arguments?: A;
  /** Options by camelCase name: `maxTokens` is `--max-tokens`. Shared ones come from `flags.ts`. */
  options?: O;
  /** At least one, and it works as it stands on the bundled model. */
  examples: readonly [CommandExample, ...CommandExample[]];
  /** What this command prefers over the common defaults, such as `{ mode: "reference" }`. */
  defaults?: Partial<Settings>;
  /**
   * Does the work. Resolves when it is done (exit 0) and throws `LabError` otherwise; the exit code is the error's
   * (`check_failed` → 3, `interrupted` → 130).
   */
  run(context: CommandContext<A, O>): Promise<void>;
}

/** Gives `run` the types of its arguments and options. */
export function defineCommand<
  const A extends Schemas = Record<never, never>,
  const O extends Schemas = Record<never, never>,
>(definition: CommandDefinition<A, O>): CommandDefinition<A, O> {
  return definition;
}

/** A row of the command table: enough for `philab --help`, without loading the command. */
export interface CommandEntry {
  name: string;
  summary: string;
  load: () => Promise<CommandDefinition>;
}

/** A command that is a set of commands: `philab runs list`. */
export interface CommandFamily {
  name: string;
  summary: string;
  /** The one that is meant where none is named. */
  fallback?: string;
  commands: readonly CommandEntry[];
}

export interface CommandGroup {
  title: string;
  commands: readonly (CommandEntry | CommandFamily)[];
}
