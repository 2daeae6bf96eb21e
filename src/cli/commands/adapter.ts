/** `philab adapter`: what a LoRA adapter changes, merged into its model, and written for other programs. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFacts,
  formatNumber,
  formatTable,
} from "../../base/format.ts";
import { expandHome } from "../../base/settings.ts";
import { visibleLine } from "../../base/terminal.ts";
import { resolveAdapter, resolveModelReference } from "../../catalog/reference.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { openAdapter, type StoredAdapter } from "../../model/adapter-file.ts";
import { mergeAdapter } from "../../model/adapter-merge.ts";
import { fitAdapter } from "../../model/adapter-source.ts";
import { hasFusedProjections, writeAdapter } from "../../model/adapter-write.ts";
import { configFromCheckpoint } from "../../model/config.ts";
import type { WrittenTensor } from "../../model/write-model.ts";
import { findModel } from "../../open.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";

const replace = z.boolean().default(false).describe("write over what is there");

export const show = defineCommand({
  description:
    "Reads the headers of an adapter's files. With --model it is held against that model: every name and every shape.",
  arguments: {
    adapter: z.string().min(1).describe("a name in the store, a directory or a .gguf file"),
  },
  options: flags("model"),
  examples: [
    { command: "philab adapter show ./my-adapter", does: "rank, scale and layers" },
    {
      command: "philab adapter show ./my-adapter --model phi-2",
      does: "and whether it fits that model",
    },
  ],
  async run({ args, settings, sources, folders, output, cwd }) {
    const reference = await resolveAdapter(args.adapter, { folders, cwd });
    const adapter = await openAdapter(reference.path);
    for (const note of adapter.notes) output.warn(note);
    let model: string | null = null;
    if (sources.model.from !== "default") {
      const found = await findModel(settings.model, { folders, cwd });
      fitAdapter(adapter, configFromCheckpoint(await openCheckpoint(found.path)));
      model = found.name;
    }
    const groups = groupModules(adapter);
    const tensors = [...adapter.modules.values()].flatMap(({ a, b, magnitude }) =>
      magnitude === undefined ? [a, b] : [a, b, magnitude],
    );
    const result = {
      path: reference.path,
      format: adapter.format,
      baseModel: adapter.baseModel ?? null,
      fits: model,
      config: adapter.config === undefined ? null : { ...adapter.config },
      modules: groups.map((group) => ({ ...group })),
      parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((n, d) => n * d, 1), 0),
      sizeBytes: tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      notes: adapter.notes,
    };
    output.result(result, () => {
      const { config } = adapter;
      const kind = config?.useDora ? "DoRA" : config?.useRslora ? "rsLoRA" : "LoRA";
      const facts: [string, string][] = [
        ["path", reference.path],
        ["format", `${adapter.format === "peft" ? "PEFT" : "GGUF"}, ${kind}`],
        ["made for", visibleLine(adapter.baseModel ?? "not said")],
        ...(model === null ? [] : [["fits", model] as [string, string]]),
        ["parameters", formatCount(result.parameters)],
        ["size", formatBytes(result.sizeBytes)],
      ];
      return [
        formatFacts(facts),
        "",
        formatTable(
          [
            { title: "modules" },
            { title: "count", align: "right" },
            { title: "rank", align: "right" },
            { title: "scale", align: "right" },
          ],
          groups.map(({ name, count, rank, scale }) => [
            visibleLine(name),
            String(count),
            String(rank),
            formatNumber(scale),
          ]),
        ),
      ].join("\n");
    });
  },
});

export const merge = defineCommand({
  description:
    "Adds the adapter's product to the weights. Tensors are streamed, so memory does not grow with the model; every tensor keeps its type, but quantised ones that change become f16 in GGUF and f32 in a directory. philab quantize makes the result small again.",
  arguments: { to: z.string().min(1).describe("a directory, or a file that ends in .gguf") },
  options: {
    ...flags("model", "adapter"),
    dtype: z
      .enum(["f32", "f16", "bf16"])
      .optional()
      .describe("element type; every tensor keeps its own by default")
      .meta({ placeholder: "type" }),
    replace,
  },
  examples: [
    {
      command: "philab adapter merge ./phi-2-mine --model phi-2 --adapter ./my-adapter",
      does: "a model that needs no adapter",
    },
  ],
  async run(context) {
    const { args, options, output, signal, cwd } = context;
    const { model, adapter } = await modelAndAdapter(context);
    const started = performance.now();
    using progress = output.progress({ label: `merge ${adapter.name}`, unit: "B" });
    const merged = await mergeAdapter({
      model: model.path,
      adapter: adapter.path,
      to: path.resolve(cwd, expandHome(args.to)),
      replace: options.replace,
      signal,
      ...(options.dtype === undefined ? {} : { dtype: options.dtype }),
      onProgress: ({ tensor, bytesDone, bytesTotal }) => {
        progress.update(bytesDone, { total: bytesTotal, message: tensor });
      },
    });
    progress.finish();
    for (const note of merged.notes) output.warn(note);
    const { tensors, changed, sizeBytes } = merged;
    const retyped = options.dtype === undefined ? retypedTensors(tensors) : [];
    output.result(
      {
        model: model.path,
        adapter: adapter.path,
        path: merged.path,
        format: merged.format,
        changed,
        tensors: tensors.map((tensor) => ({ ...tensor })),
        sizeBytes,
      },
      [
        `${args.to}: ${changed.length} matrices changed, ${formatBytes(sizeBytes)}, in ${formatDuration(performance.now() - started)}`,
        ...retyped,
      ].join("\n"),
    );
  },
});

export const convert = defineCommand({
  description:
    "Writes an adapter for another program, in f32: PEFT's directory, or llama.cpp's GGUF file where the name ends in .gguf. The model says how its layers are called and arranged: llama.cpp takes an adapter only in the arrangement of the model's own file, so name that file. Its weights are not read.",
  arguments: { to: z.string().min(1).describe("a directory, or a file that ends in .gguf") },
  options: { ...flags("model", "adapter"), replace },
  examples: [
    {
      command: "philab adapter convert mine.gguf --model phi-2 --adapter ./my-adapter",
      does: "an adapter for llama.cpp",
    },
  ],
  async run(context) {
    const { args, options, output, signal, cwd } = context;
    const { model, adapter } = await modelAndAdapter(context);
    const stored = await openAdapter(adapter.path);
    for (const note of stored.notes) output.warn(note);
    const checkpoint = await openCheckpoint(model.path);
    const config = configFromCheckpoint(checkpoint);
    const to = path.resolve(cwd, expandHome(args.to));
    const source = fitAdapter(stored, config);
    await writeAdapter(source, to, {
      model: config,
      fused: hasFusedProjections(checkpoint),
      replace: options.replace,
      signal,
    });
    output.result(
      { adapter: adapter.path, path: to, modules: [...source.modules.keys()] },
      `${args.to}: ${source.modules.size} modules`,
    );
  },
});

/** The model and the adapter that the flags name. */
async function modelAndAdapter({
  options,
  settings,
  folders,
  cwd,
}: Pick<CommandContext, "settings" | "folders" | "cwd"> & {
  options: { adapter?: string | undefined };
}) {
  const { adapter: name } = options;
  const model = await resolveModelReference(settings.model, { folders, cwd, adapter: name });
  const { adapter } = model;
  if (adapter !== undefined) return { model, adapter };
  throw new LabError("bad_input", "no adapter was given", {
    hint: "Name it with --adapter: a name in the store, a directory or a .gguf file.",
  });
}

/** Modules of one kind, rank and scale: `q_proj` in all layers is one row. */
function groupModules({ modules }: StoredAdapter) {
  const groups = new Map<string, { name: string; count: number; rank: number; scale: number }>();
  for (const [module, { rank, scale }] of modules) {
    const name = module.split(".").at(-1) ?? module;
    const key = `${name} ${rank} ${scale}`;
    const group = groups.get(key) ?? { name, count: 0, rank, scale };
    groups.set(key, { ...group, count: group.count + 1 });
  }
  return [...groups.values()];
}

/** `12 tensors became f16: q4_k before`, for tensors whose type nobody asked to change. */
function retypedTensors(tensors: readonly WrittenTensor[]): string[] {
  const counts = new Map<string, number>();
  for (const { dtype, from, shape } of tensors)
    if (dtype !== from && shape.length > 1) {
      const change = `${from} became ${dtype}`;
      counts.set(change, (counts.get(change) ?? 0) + 1);
    }
  return [...counts].map(([change, count]) => `${count} matrices of ${change}`);
}
