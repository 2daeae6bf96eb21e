/** `philab verify`: whether a stored model is what was fetched, and whether it computes what transformers computes. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatBytes, formatNumber, formatTable } from "../../base/format.ts";
import { expandHome } from "../../base/settings.ts";
import { visibleLine } from "../../base/terminal.ts";
import { findStored, Store } from "../../catalog/store.ts";
import { compareWithDump, findDumps, type DumpComparison } from "../../interpret/against.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

/** What 32 layers in f32 leave between two programs that add in another order, of the greatest value, many times over. */
const TOLERANCE = 1e-4;

export const command = defineCommand({
  description:
    "Hashes every file of a stored model again. With --against, any model is run on prompts whose inner values transformers has written down (reference/dump.py), and every hook is compared: docs/real-weights.md. Exit code 3 where something differs.",
  arguments: {
    model: z.string().min(1).describe("a name that philab list shows; with --against any model"),
  },
  options: {
    against: z
      .string()
      .min(1)
      .optional()
      .describe("what reference/dump.py wrote: a .safetensors file, or a directory of them")
      .meta({ placeholder: "path" }),
    tolerance: z
      .number()
      .positive()
      .default(TOLERANCE)
      .describe("the greatest difference, as a share of the hook's greatest value"),
    ...flags("mode", "device", "threads"),
  },
  defaults: { mode: "reference" },
  examples: [
    { command: "philab verify hf:microsoft/phi-2", does: "whether it is still what was fetched" },
    {
      command: "philab verify hf:microsoft/phi-2 --against dumps/phi-2",
      does: "whether it computes what transformers computes",
    },
  ],
  async run(context) {
    const { against } = context.options;
    await (against === undefined ? verifyFiles(context) : verifyValues(context, against));
  },
});

type Context = Omit<CommandContext, "args" | "options"> & {
  args: { model: string };
  options: { tolerance: number };
};

async function verifyFiles({ args, folders, output, signal }: Context): Promise<void> {
  const model = await findStored(folders.models, args.model);
  if (model.manifest === undefined)
    throw new LabError(
      "unsupported",
      `${args.model} was put there by hand: there are no hashes to check`,
      { hint: `philab import ${model.folder} --name ${args.model} --replace makes some.` },
    );
  const found = await new Store(folders.models).verify(model, {
    signal,
    onFile: (file) => output.note(`${file.path} (${formatBytes(file.sizeBytes)})`),
  });
  const bad = found.filter(({ problem }) => problem !== undefined);
  if (bad.length > 0)
    throw new LabError(
      "check_failed",
      bad.map(({ file, problem }) => `${file.path}: ${problem ?? ""}`).join("; "),
      { hint: "Remove the model and fetch it again." },
    );
  const files = found.map(({ file }) => file);
  output.result({ name: args.model, files }, () => `${files.length} files are what they were`);
}

async function verifyValues(context: Context, against: string): Promise<void> {
  const { args, options, settings, output, signal, cwd, commandLine } = context;
  const dumps = await findDumps(path.resolve(cwd, expandHome(against)));
  const opened = await openModel({ ...context, settings: { ...settings, model: args.model } });
  await using model = opened.model;
  const comparisons: DumpComparison[] = [];
  for (const file of dumps) {
    using progress = output.progress({ label: path.basename(file), unit: "hooks" });
    const onProgress = (done: number, total: number): void => progress.update(done, { total });
    comparisons.push(await compareWithDump(model, file, { signal, onProgress }));
  }
  const kinds = byKind(comparisons);
  const failed = kinds.filter(({ share }) => !(share <= options.tolerance));
  output.result(
    {
      ...provenance(opened, commandLine),
      tolerance: options.tolerance,
      passed: failed.length === 0,
      // JSON has no infinity: a value that is a number on one side only reads null.
      hooks: kinds.map((kind) => ({ ...kind })),
      files: comparisons.map(({ hooks, ...rest }) => ({ ...rest, hooks: hooks.length })),
    },
    () => tableOf(kinds, comparisons, options.tolerance),
  );
  if (failed.length > 0)
    throw new LabError(
      "check_failed",
      `${failed.length} of ${kinds.length} hooks differ by more than ${options.tolerance} of their greatest value; the first is ${failed[0]?.worst}`,
      {
        hint: "Values of quantised weights and of fast mode are rounded more: compare the weights that transformers read, in reference mode, or give --tolerance.",
      },
    );
}

interface Kind {
  /** `blocks.{l}.hook_z`: all layers. */
  hook: string;
  /** Where the difference is greatest, as a share of the greatest value there. */
  worst: string;
  difference: number;
  magnitude: number;
  share: number;
}

/** The worst layer of every hook, in the order of the files. */
function byKind(comparisons: readonly DumpComparison[]): Kind[] {
  const kinds = new Map<string, Kind>();
  for (const { name, difference, magnitude } of comparisons.flatMap(({ hooks }) => hooks)) {
    const hook = name.replace(/^blocks\.\d+\./, "blocks.{l}.");
    const share = difference === 0 ? 0 : difference / magnitude;
    const known = kinds.get(hook);
    if (known === undefined || !(share <= known.share))
      kinds.set(hook, { hook, worst: name, difference, magnitude, share });
  }
  return [...kinds.values()];
}

function tableOf(
  kinds: readonly Kind[],
  comparisons: readonly DumpComparison[],
  tolerance: number,
): string {
  const right = (title: string) => ({ title, align: "right" as const });
  const table = formatTable(
    [
      { title: "hook" },
      right("greatest difference"),
      right("of values up to"),
      right("share"),
      { title: "in" },
      { title: "" },
    ],
    kinds.map(({ hook, worst, difference, magnitude, share }) => [
      visibleLine(hook),
      formatNumber(difference, 2),
      formatNumber(magnitude, 3),
      formatNumber(share, 2),
      visibleLine(/^blocks\.(\d+)\./.exec(worst)?.[1]?.replace(/^/, "layer ") ?? ""),
      share <= tolerance ? "" : "differs",
    ]),
  );
  const prompts = comparisons.reduce((sum, one) => sum + one.prompts, 0);
  const tokens = comparisons.reduce((sum, one) => sum + one.prompts * one.tokens, 0);
  const agreed = comparisons.flatMap(({ agreement }) => agreement ?? []);
  const leftOut = comparisons.reduce((sum, one) => sum + one.leftOut.length, 0);
  const [same, of] = [sum(agreed.map((one) => one.same)), sum(agreed.map((one) => one.of))];
  return [
    table,
    "",
    `${prompts} ${prompts === 1 ? "prompt" : "prompts"}, ${tokens} tokens`,
    ...(of === 0 ? [] : [`the likeliest next token is the same at ${same} of ${of} positions`]),
    ...(leftOut === 0 ? [] : [`${leftOut} gradients of parameters were not compared`]),
  ].join("\n");
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
