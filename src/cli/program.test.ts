import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { packageVersion } from "../base/package.ts";
import { COMMAND_GROUPS } from "./command-table.ts";
import {
  defineCommand,
  type CommandContext,
  type CommandDefinition,
  type CommandGroup,
} from "./command.ts";
import { OUTPUT_CLOSED } from "./errors.ts";
import { FLAGS, flags } from "./flags.ts";
import { runProgram } from "./program.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(path.join(os.tmpdir(), "philab-cli-"));
});
afterEach(() => rm(cwd, { recursive: true }));

interface Ran {
  exit: number;
  out: string;
  err: string;
}

async function run(
  argv: string[],
  {
    groups,
    env = {},
    signal = new AbortController().signal,
  }: {
    groups?: readonly CommandGroup[];
    env?: NodeJS.ProcessEnv;
    signal?: AbortSignal;
  } = {},
): Promise<Ran> {
  const ran: Ran = { exit: -1, out: "", err: "" };
  const stdout = { write: (text: string) => (ran.out += text), columns: 100 };
  const stderr = { write: (text: string) => (ran.err += text) };
  const io = { stdout, stderr, stdin: new PassThrough(), env, cwd, signal };
  ran.exit = await runProgram(argv, io, groups);
  return ran;
}

/** A table of one command, `philab try`. */
function tableOf(definition: CommandDefinition): CommandGroup[] {
  const entry = { name: "try", summary: "for a test", load: () => Promise.resolve(definition) };
  return [{ title: "Tests", commands: [entry] }];
}

const examples = [{ command: "philab try", does: "tries" }] as const;

/** Runs `philab try …` with these schemas and returns what the command was given. */
async function given<O extends Record<string, z.ZodType>>(
  options: O,
  argv: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ran & { context: CommandContext | undefined }> {
  let seen: CommandContext | undefined;
  const definition = defineCommand({
    arguments: {
      prompt: z.string().optional().describe("a text"),
      more: z.array(z.int()).optional().describe("numbers"),
    },
    options,
    examples,
    run: (context) => {
      seen = context;
      context.output.result({});
      return Promise.resolve();
    },
  });
  const ran = await run(["try", ...argv], { groups: tableOf(definition), env });
  return { ...ran, context: seen };
}

describe("help", () => {
  test("lists every command of the table without loading one", async () => {
    const load = () => Promise.reject(new Error("loaded"));
    const groups = [
      { title: "Use", commands: [{ name: "run", summary: "continue a prompt", load }] },
    ];
    const { exit, out } = await run(["--help"], { groups });
    expect(exit).toBe(0);
    expect(out).toMatch(/Use:\n {2}run +continue a prompt/);
  });

  test("is what philab alone prints", async () => {
    expect(await run([])).toEqual(await run(["--help"]));
  });

  test("of a command shows arguments, options with their choices and defaults, and examples", async () => {
    const { out, exit } = await given(
      {
        ...flags("mode"),
        maxTokens: FLAGS.maxTokens.default(64),
        warm: z.boolean().default(true).describe("warm up"),
      },
      ["--help"],
    );
    expect(exit).toBe(0);
    expect(out).toContain("Usage: philab try [options] [prompt] [more...]");
    expect(out).toContain("-n, --max-tokens <count>  tokens to make at most (default: 64)");
    expect(out).toContain("(reference, fast)");
    expect(out).toContain("--no-warm                 do not warm up");
    expect(out).toContain("Example:\n  $ philab try\n    tries");
  });

  test("can be asked for in front: philab help runs list", async () => {
    expect(await run(["help", "runs", "list"])).toEqual(await run(["runs", "list", "--help"]));
  });

  test("--version is the package's", async () => {
    expect(await run(["--version"])).toMatchObject({ exit: 0, out: `${packageVersion()}\n` });
  });

  test("has colours only where the terminal has them", async () => {
    expect((await run(["--help"])).out).not.toContain("\u001b");
    expect((await run(["--help"], { env: { FORCE_COLOR: "1" } })).out).toContain("\u001b[36m");
  });

  test.each(
    COMMAND_GROUPS.flatMap(({ commands }) =>
      commands.flatMap((entry) =>
        "commands" in entry
          ? entry.commands.map((member) => [`${entry.name} ${member.name}`, member] as const)
          : [[entry.name, entry] as const],
      ),
    ),
  )(
    "of philab %s is complete: a description for everything, an example of itself",
    async (name, entry) => {
      const definition = await entry.load();
      const { exit, out, err } = await run([...name.split(" "), "--help"]);
      expect({ exit, err }).toEqual({ exit: 0, err: "" });
      expect(out).toContain(entry.summary);
      for (const schemas of [definition.options ?? {}, definition.arguments ?? {}])
        for (const [key, schema] of Object.entries(schemas))
          expect(
            z.toJSONSchema(schema, { io: "input" }).description,
            `${name}: ${key}`,
          ).toBeTruthy();
      for (const { command } of definition.examples)
        expect(command).toMatch(new RegExp(`philab ${name.split(" ")[0]}`));
    },
  );
});

describe("what was typed", () => {
  test("arrives as the values that the schemas check", async () => {
    const { context } = await given(
      {
        ...flags("tokens", "temperature", "hook", "position", "layer"),
        echo: z.boolean().default(false).describe("x"),
        warm: z.boolean().default(true).describe("x"),
        topK: z.int().default(40).describe("x"),
      },
      [
        ...["hello", "1", "2", "--tokens", "1,2,3", "--temperature", "0.5", "--echo", "--no-warm"],
        ...["--hook", "a,b", "--hook", "c", "--position", "-1,0", "--layer", "0,2-4"],
      ],
    );
    expect(context?.args).toEqual({ prompt: "hello", more: [1, 2] });
    expect(context?.options).toEqual({
      tokens: [1, 2, 3],
      temperature: 0.5,
      hook: ["a", "b", "c"],
      position: [-1, 0],
      layer: [0, 2, 3, 4],
      echo: true,
      warm: false,
      topK: 40,
    });
  });

  test("may be left out", async () => {
    const { context } = await given(
      {
        ...flags("limit"),
        echo: z.boolean().default(false).describe("x"),
        warm: z.boolean().default(true).describe("x"),
      },
      [],
    );
    expect(context?.args).toEqual({});
    expect(context?.options).toEqual({ echo: false, warm: true });
  });

  test("is a prompt even where it looks like an option, after --", async () => {
    const { context } = await given({}, ["--", "--json"]);
    expect(context?.args["prompt"]).toBe("--json");
    expect(context?.output.json).toBe(false);
  });

  test("of a setting goes to the settings, where flags win over variables over the file", async () => {
    await writeFile(path.join(cwd, "philab.config.json"), '{"seed": 5, "threads": 3}');
    const { context } = await given(
      flags("model", "threads", "seed"),
      ["-m", "phi-2", "--threads", "7"],
      { PHILAB_THREADS: "9", PHILAB_HOME: "lab" },
    );
    expect(context?.options).toEqual({});
    expect(context?.settings).toMatchObject({ model: "phi-2", threads: 7, seed: 5 });
    expect(context?.sources.threads.name).toBe("--threads");
    expect(context?.folders.runs).toBe(path.join(cwd, "lab", "runs"));
  });

  test("is kept, so that results can say how to repeat them", async () => {
    const { context } = await given(flags("seed"), ["a b", "--seed", "1"]);
    expect(context?.commandLine).toEqual(["philab", "try", "a b", "--seed", "1"]);
  });
});

describe("what was mistyped", () => {
  test.each([
    [["tyr"], "there is no command philab tyr", "Did you mean try?"],
    [["zzzzzz"], "there is no command philab zzzzzz", "philab --help lists the commands."],
    [["try", "--sed", "1"], "unknown option '--sed'", "Did you mean --seed?"],
    [["try", "--seed"], "option '--seed <number>' argument missing", undefined],
    [["try", "--seed", "x"], '--seed "x": expected a whole number of at least 0', undefined],
    [["try", "--mode", "fats"], '--mode "fats": expected reference or fast', "Did you mean fast?"],
    [["try", "--tokens", "1,x"], '--tokens [1,"x"]: expected a list, each', undefined],
    [["try", "a", "b"], '<more> ["b"]: expected a list, each a whole number', undefined],
  ])("%j ends with exit code 2 and says what is wrong", async (argv, message, hint) => {
    const definition = defineCommand({
      arguments: {
        prompt: z.string().optional().describe("x"),
        more: z.array(z.int()).optional().describe("x"),
      },
      options: flags("seed", "mode", "tokens"),
      examples,
      run: () => Promise.resolve(),
    });
    const { exit, out, err } = await run(argv, { groups: tableOf(definition) });
    expect(exit).toBe(2);
    expect(out).toBe("");
    expect(err).toContain(`philab: ${message}`);
    if (hint !== undefined) expect(err).toContain(`\n  ${hint}`);
  });

  test("a required option that is missing is named", async () => {
    const { exit, err } = await given({ out: z.string().describe("x") }, []);
    expect(exit).toBe(2);
    expect(err).toBe("philab: --out is required\n");
  });

  test("a command of a family gets a suggestion from the family", async () => {
    const { exit, err } = await run(["runs", "lsit"]);
    expect(exit).toBe(2);
    expect(err).toBe("philab: there is no command philab runs lsit\n  Did you mean list?\n");
  });
});

describe("errors", () => {
  const failing = (error: unknown) =>
    tableOf(
      defineCommand({
        examples,
        run: () => Promise.reject(error as Error),
      }),
    );

  test.each([
    ["bad_input", 2],
    ["not_found", 2],
    ["out_of_memory", 2],
    ["busy", 1],
    ["engine_failed", 1],
    ["check_failed", 3],
    ["interrupted", 130],
  ] as const)("%s ends with exit code %i", async (code, exit) => {
    const ran = await run(["try"], { groups: failing(new LabError(code, "no", { hint: "do" })) });
    expect(ran).toEqual({ exit, out: "", err: "philab: no\n  do\n" });
  });

  test("with --json are an object on stdout, too", async () => {
    const groups = failing(new LabError("not_found", "no such model"));
    const { out } = await run(["try", "--json"], { groups });
    expect(JSON.parse(out)).toEqual({ error: { code: "not_found", message: "no such model" } });
  });

  test("that nobody foresaw show a stack only with PHILAB_DEBUG", async () => {
    const groups = failing(new TypeError("x is undefined"));
    const { exit, err } = await run(["try"], { groups });
    expect(exit).toBe(1);
    expect(err).toContain("philab: x is undefined\n  This is a bug in philab.");
    expect(err).not.toContain("    at ");
    const debugged = await run(["try"], { groups, env: { PHILAB_DEBUG: "1" } });
    expect(debugged.err).toMatch(/TypeError: x is undefined\n +at /);
  });

  test("cannot act on the terminal", async () => {
    const groups = failing(new LabError("corrupt_file", "tensor \u001b[2J named"));
    expect((await run(["try"], { groups })).err).toBe("philab: tensor ␛[2J named\n");
  });

  test("after stdout was closed are nobody's business", async () => {
    const controller = new AbortController();
    controller.abort(OUTPUT_CLOSED);
    const ran = await run(["try"], { groups: failing(OUTPUT_CLOSED), signal: controller.signal });
    expect(ran).toEqual({ exit: 0, out: "", err: "" });
  });
});

describe("output", () => {
  const speaking = (speak: (context: CommandContext) => void) =>
    tableOf(
      defineCommand({
        examples,
        run: (context) => {
          speak(context);
          return Promise.resolve();
        },
      }),
    );

  test("is text on stdout and remarks on stderr", async () => {
    const groups = speaking(({ output }) => {
      output.note("loading");
      output.warn("slow disk");
      output.stream("a\u001b[31m");
      output.stream("b");
      output.result({ text: "ab" }, "done");
    });
    expect(await run(["try"], { groups })).toEqual({
      exit: 0,
      out: "a␛[31mb\ndone\n",
      err: "loading\nwarning: slow disk\n",
    });
  });

  test("with --json is one object on one line, whatever was streamed", async () => {
    const groups = speaking(({ output }) => {
      output.stream("a");
      output.line("b");
      output.result({ text: "ab\n", loss: NaN, ids: new Int32Array([1, 2]) as never }, "done");
    });
    const { out } = await run(["try", "--json"], { groups });
    expect(out).toBe('{"text":"ab\\n","loss":"NaN","ids":[1,2]}\n');
  });

  test("without a result is a bug where --json was asked for", async () => {
    const { exit, err } = await run(["try", "--json"], { groups: speaking(() => undefined) });
    expect(exit).toBe(1);
    expect(err).toContain("gave no result");
  });

  test("shows progress on stderr, and none with --quiet", async () => {
    const groups = speaking(({ output }) => {
      using progress = output.progress({ label: "work", total: 2 });
      progress.update(2);
      progress.finish();
      output.result({});
    });
    expect((await run(["try"], { groups })).err).toMatch(/^work: 2, /);
    expect((await run(["try", "--quiet"], { groups })).err).toBe("");
  });
});
