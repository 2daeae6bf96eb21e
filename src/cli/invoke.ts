/** Fits a loaded command onto Commander and runs it with everything that it is promised (`CommandContext`). */
import { Option, type Command } from "commander";
import { LabError } from "../base/errors.ts";
import {
  homeFolders,
  resolveSettings,
  SETTING_NAMES,
  type SettingName,
  type SettingsInput,
} from "../base/settings.ts";
import type { CommandContext, CommandDefinition } from "./command.ts";
import { addArguments, addOptions, readArguments, readOptions } from "./options.ts";
import { Output } from "./output.ts";
import type { ProgramIO } from "./program.ts";

const COMMON_OPTIONS = "Every command:";

/** Adds the definition's arguments, options and examples to `command`, and what happens when it is called. */
export function attachDefinition(
  command: Command,
  definition: CommandDefinition,
  { io, commandLine }: { io: ProgramIO; commandLine: readonly string[] },
): void {
  const argumentSchemas = definition.arguments ?? {};
  const optionSchemas = definition.options ?? {};
  if (definition.description !== undefined)
    command.description(`${command.summary()}\n\n${definition.description}`);
  addArguments(command, argumentSchemas);
  addOptions(command, optionSchemas);
  command
    .optionsGroup(COMMON_OPTIONS)
    .option("--json", "one JSON object on stdout")
    .option("-q, --quiet", "no progress")
    .addHelpOption(new Option("-h, --help", "print this help").helpGroup(COMMON_OPTIONS));
  command.addHelpText("after", () => examplesText(definition));

  command.action(async (...received: unknown[]) => {
    const typed = command.opts<{ json?: true; quiet?: true }>();
    const positional = received.slice(0, -2) as (string | string[] | undefined)[];
    const values = readOptions(optionSchemas, typed);
    const flags: Partial<Record<SettingName, unknown>> = {};
    for (const name of SETTING_NAMES) {
      if (values[name] !== undefined) flags[name] = values[name];
      delete values[name];
    }
    const resolved = resolveSettings({
      flags: flags as NonNullable<SettingsInput["flags"]>,
      env: io.env,
      cwd: io.cwd,
      ...(definition.defaults === undefined ? {} : { defaults: definition.defaults }),
    });
    const output = new Output({
      stdout: io.stdout,
      stderr: io.stderr,
      env: io.env,
      json: typed.json === true,
      quiet: typed.quiet === true,
    });
    const context: CommandContext = {
      args: readArguments(argumentSchemas, positional),
      options: values,
      settings: resolved.values,
      sources: resolved.sources,
      folders: homeFolders(resolved.values.home),
      output,
      signal: io.signal,
      get stdin() {
        return io.stdin;
      },
      env: io.env,
      cwd: io.cwd,
      commandLine,
    };
    await definition.run(context);
    if (output.json && !output.hasResult)
      throw new LabError(
        "internal",
        `${commandLine.slice(0, 3).join(" ")} gave no result for --json`,
      );
  });
}

function examplesText({ examples }: CommandDefinition): string {
  const lines = examples.map(({ command, does }) => `  $ ${command}\n    ${does}`);
  return `\n${examples.length === 1 ? "Example" : "Examples"}:\n${lines.join("\n")}\n`;
}
