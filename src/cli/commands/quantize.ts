/** `philab quantize`: a smaller and faster GGUF file of a model. */
import path from "node:path";
import { z } from "zod";
import type { JsonValue } from "../../base/json.ts";
import { formatBytes, formatDuration, formatTable } from "../../base/format.ts";
import { expandHome } from "../../base/settings.ts";
import { visibleLine } from "../../base/terminal.ts";
import { QUANTIZATIONS, quantizeModel, type Quantization } from "../../model/quantize.ts";
import type { Job } from "../../jobs/job.ts";
import type { WrittenTensor } from "../../model/write-model.ts";
import { findModel } from "../../open.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";

export const command = defineCommand({
  description:
    "Gives every matrix the type that llama.cpp's mix of that name gives it. Where rows do not divide into its blocks, the fallback type is named in the output.",
  arguments: {
    type: z.enum(QUANTIZATIONS as [Quantization, ...Quantization[]]).describe("the mix"),
    to: z
      .string()
      .refine((name) => /\.gguf$/i.test(name), "expected a name that ends in .gguf")
      .describe("the .gguf file to write"),
  },
  options: {
    ...flags("model"),
    replace: z.boolean().default(false).describe("write over what is there"),
    allowRequantize: z
      .boolean()
      .default(false)
      .describe("quantise weights that are quantised already; their errors add up"),
  },
  examples: [
    { command: "philab quantize q8_0 phi-nano.gguf", does: "the bundled model in 8 bits" },
    { command: "philab quantize q4_k_m phi-2.gguf --model ./phi-2", does: "Phi-2 in 4 to 6 bits" },
  ],
  async run({ args, options, settings, folders, output, signal, cwd }) {
    const reference = await findModel(settings.model, { folders, cwd });
    const started = performance.now();
    using progress = output.progress({ label: `quantise ${reference.name}`, unit: "B" });
    const {
      path: written,
      tensors,
      sourceBytes,
      sizeBytes,
    } = await quantizeModel({
      from: reference.path,
      to: path.resolve(cwd, expandHome(args.to)),
      type: args.type,
      replace: options.replace,
      allowRequantize: options.allowRequantize,
      signal,
      onProgress: ({ tensor, bytesDone, bytesTotal }) => {
        progress.update(bytesDone, { total: bytesTotal, message: tensor });
      },
    });
    progress.finish();
    const result = {
      from: reference.path,
      path: written,
      type: args.type,
      tensors: tensors.map((tensor) => ({ ...tensor })),
      sourceBytes,
      sizeBytes,
    };
    output.result(result, () =>
      [
        typesTable(tensors),
        `${args.to}: ${formatBytes(sizeBytes)} from ${formatBytes(sourceBytes)}, in ${formatDuration(performance.now() - started)}`,
      ].join("\n"),
    );
  },
});

/** The same as a run, begun by a server: the file lies in the store. */
export async function followQuantize<R extends JsonValue>(
  { output, signal }: Pick<CommandContext, "output" | "signal">,
  job: Job<R>,
): Promise<void> {
  using progress = output.progress({ label: "quantise", unit: "B" });
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const result = (await finished) as unknown as { name: string; sizeBytes: number };
  progress.finish();
  output.result(
    { id: job.record.id, ...result },
    () => `${result.name}: ${formatBytes(result.sizeBytes)}`,
  );
}

/** How many tensors went from which type to which; those that a fallback type was taken for are named. */
function typesTable(tensors: readonly WrittenTensor[]): string {
  const groups = new Map<string, WrittenTensor[]>();
  for (const tensor of tensors) {
    const key = `${tensor.from} ${tensor.dtype} ${tensor.wanted ?? ""}`;
    groups.set(key, [...(groups.get(key) ?? []), tensor]);
  }
  const rows = [...groups.values()].flatMap((group) =>
    group
      .slice(0, 1)
      .map(({ from, dtype, wanted }) => [
        String(group.length),
        from,
        dtype,
        wanted === undefined
          ? ""
          : `instead of ${wanted}, whose blocks do not divide their rows: ${shortNames(group)}`,
      ]),
  );
  return formatTable(
    [{ title: "tensors", align: "right" }, { title: "from" }, { title: "to" }, { title: "" }],
    rows,
  );
}

/** `token_embd.weight, blk.{0,1,2}.attn_q.weight`: the same tensor of several layers in one name. */
function shortNames(tensors: readonly WrittenTensor[]): string {
  const layers = new Map<string, string[]>();
  for (const { name } of tensors) {
    const [, layer, rest] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [];
    if (layer === undefined || rest === undefined) layers.set(name, []);
    else layers.set(rest, [...(layers.get(rest) ?? []), layer]);
  }
  const names = [...layers].map(([name, of]) =>
    of.length === 0 ? name : `blk.${of.length === 1 ? of[0] : `{${of.join(",")}}`}.${name}`,
  );
  return visibleLine(names.join(", "));
}
