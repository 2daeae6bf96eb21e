/**
 * The command line as one function: `runProgram(["runs", "list"], io)` resolves with the exit code and touches nothing
 * but `io`. Only the command that is called gets loaded; `--help` needs the command table alone.
 */
import { Command } from "commander";
import { LabError } from "../base/errors.ts";
import { packageVersion } from "../base/package.ts";
import { didYouMean } from "../base/suggest.ts";
import { colorsFor, hasColors, type TextStream } from "../base/terminal.ts";
import type { CommandEntry, CommandFamily, CommandGroup } from "./command.ts";
import { COMMAND_GROUPS } from "./command-table.ts";
import { OUTPUT_CLOSED, reportError } from "./errors.ts";

/** The world outside: the process's own, or a test's. */
export interface ProgramIO {
  stdout: TextStream;
  stderr: TextStream;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  env: NodeJS.ProcessEnv;
  cwd: string;
  signal: AbortSignal;
}

const INTRODUCTION =
  "The playground for small language models of the Phi family: run them, look inside, measure, train.";

const HELP_FOOTER = `
philab <command> --help says what a command takes, with examples.
A flag wins over its PHILAB_* variable (PHILAB_MODEL, PHILAB_THREADS, …), that over
philab.config.json in this folder, that over the default. Without a model: the bundled phi-nano.
`;

/** Runs one command line (without `node` and the script) and resolves with its exit code. Never rejects. */
export async function runProgram(
  argv: readonly string[],
  io: ProgramIO,
  groups: readonly CommandGroup[] = COMMAND_GROUPS,
): Promise<number> {
  let name = "philab";
  try {
    const words = argv[0] === "help" ? [...argv.slice(1), "--help"] : [...argv];
    const program = createProgram(io);
    const called = locate(words, groups);
    const leaves = addCommands(program, groups);
    if (called) {
      name = called.name;
      const definition = await called.entry.load();
      const { attachDefinition } = await import("./invoke.ts");
      const leaf = leaves.get(called.entry);
      if (leaf) attachDefinition(leaf, definition, { io, commandLine: ["philab", ...words] });
    }
    await program.parseAsync(called?.words ?? words, { from: "user" });
    return 0;
  } catch (error) {
    if (io.signal.reason === OUTPUT_CLOSED) return 0;
    const { stdout, stderr, env } = io;
    const json = beforeDashes(argv).includes("--json");
    return reportError(error, { stdout, stderr, env, json, called: name });
  }
}

function createProgram(io: ProgramIO): Command {
  // Commander strips the colours where `getOutHasColors` says no.
  const colors = colorsFor(io.stdout, { FORCE_COLOR: "1" });
  return new Command("philab")
    .description(INTRODUCTION)
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("after", HELP_FOOTER)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Commander would print its errors here; reportError prints them in philab's form.
      writeErr: () => undefined,
      getOutHelpWidth: () => Math.min(io.stdout.columns ?? 80, 100),
      getOutHasColors: () => hasColors(io.stdout, io.env),
    })
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      styleTitle: (text) => colors.bold(text),
      styleCommandText: (text) => colors.cyan(text),
      styleSubcommandText: (text) => colors.cyan(text),
      styleOptionText: (text) => colors.cyan(text),
      styleArgumentText: (text) => colors.cyan(text),
    })
    .action((_options: unknown, program: Command) => {
      program.outputHelp();
    });
}

/** Adds every command with its summary; returns where each leaf of the table was put. */
function addCommands(
  program: Command,
  groups: readonly CommandGroup[],
): Map<CommandEntry, Command> {
  const leaves = new Map<CommandEntry, Command>();
  const addLeaf = (parent: Command, entry: CommandEntry): Command => {
    const command = describe(parent.command(entry.name), entry);
    leaves.set(entry, command);
    return command;
  };
  for (const { title, commands } of groups)
    for (const entry of commands) {
      if (!isFamily(entry)) {
        addLeaf(program, entry).helpGroup(`${title}:`);
        continue;
      }
      const family = describe(program.command(entry.name), entry)
        .helpGroup(`${title}:`)
        .helpCommand(false);
      for (const member of entry.commands) addLeaf(family, member);
    }
  return leaves;
}

function describe(command: Command, { summary }: { summary: string }): Command {
  return command.summary(summary).description(summary).helpOption("-h, --help", "print this help");
}

/**
 * The row of the table that `words` calls, with a family's fallback written out. Undefined where only help is asked for.
 * Throws `bad_input` for a command that is not there.
 */
function locate(
  words: readonly string[],
  groups: readonly CommandGroup[],
): { entry: CommandEntry; name: string; words: string[] } | undefined {
  const [first, second] = words;
  if (first === undefined || first.startsWith("-")) return undefined;
  const entries = groups.flatMap(({ commands }) => commands);
  const entry = find(first, entries, "philab");
  const name = `philab ${first}`;
  if (!isFamily(entry)) return { entry, name, words: [...words] };
  if (second !== undefined && !second.startsWith("-")) {
    const member = find(second, entry.commands, name);
    return { entry: member, name: `${name} ${second}`, words: [...words] };
  }
  const fallback = entry.commands.find(({ name }) => name === entry.fallback);
  if (!fallback || second === "--help" || second === "-h") return undefined;
  const written = [first, fallback.name, ...words.slice(1)];
  return { entry: fallback, name: `${name} ${fallback.name}`, words: written };
}

function find<E extends CommandEntry | CommandFamily>(
  name: string,
  entries: readonly E[],
  prefix: string,
): E {
  const entry = entries.find((candidate) => candidate.name === name);
  if (entry) return entry;
  const names = entries.map((candidate) => candidate.name);
  throw new LabError("bad_input", `there is no command ${prefix} ${name}`, {
    hint: didYouMean(name, names) ?? `${prefix} --help lists the commands.`,
  });
}

function isFamily(entry: CommandEntry | CommandFamily): entry is CommandFamily {
  return "commands" in entry;
}

/** What stands before a `--`, after which nothing is an option. */
function beforeDashes(argv: readonly string[]): readonly string[] {
  const dashes = argv.indexOf("--");
  return dashes < 0 ? argv : argv.slice(0, dashes);
}
