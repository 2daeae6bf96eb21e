/** `philab bench`: load time, prompt and decoding speed, and memory of a model on this machine. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { formatBytes, formatDuration, formatPercent, formatTable } from "../../base/format.ts";
import { benchmark, decodeEnd } from "../../generate/benchmark.ts";
import type { OperationAccount } from "../../generate/operation-account.ts";
import { KV_CACHE_TYPES } from "../../model/kv-cache.ts";
import { PHI_PRESETS } from "../../model/config.ts";
import { QUANTIZATIONS, type Quantization } from "../../model/quantize.ts";
import { writeSyntheticModel } from "../../model/synthetic.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

const presets = Object.keys(PHI_PRESETS) as [
  keyof typeof PHI_PRESETS,
  ...(keyof typeof PHI_PRESETS)[],
];

export const command = defineCommand({
  description:
    "Rounds are repeated until enough of them found the memory as fast after as before; medians are shown, beside the share of the read bandwidth that decoding reaches. Text is not sampled: the most likely token is taken.",
  options: {
    ...flags("model", "mode", "device", "threads"),
    synthetic: z
      .enum(presets)
      .optional()
      .describe("measure random weights of this shape instead of a model")
      .meta({ placeholder: "shape" }),
    type: z
      .enum(QUANTIZATIONS as [Quantization, ...Quantization[]])
      .default("q4_k_m")
      .describe("type of the random weights"),
    prompt: z.int().min(1).default(512).describe("tokens of the prompt that is read"),
    decode: z.int().min(1).default(128).describe("tokens that are decoded"),
    depth: z.array(z.int().min(0)).default([0, 1024]).describe("tokens before the decoded ones"),
    repeats: z.int().min(1).default(5).describe("rounds to keep"),
    operations: z
      .int()
      .min(0)
      .default(6)
      .describe("operations to show, those that take longest")
      .meta({ placeholder: "count" }),
    cacheType: z.enum(KV_CACHE_TYPES).optional().describe("type of cached keys and values"),
  },
  examples: [
    {
      command: "philab bench --prompt 128 --decode 32 --depth 0 --repeats 2",
      does: "the bundled model, quickly",
    },
    {
      command: "philab bench --synthetic phi-2 --type q4_k_m",
      does: "Phi-2's shape without its weights",
    },
  ],
  async run(context) {
    const { options, output, signal, commandLine } = context;
    const settings = await withSyntheticModel(context);
    const started = performance.now();
    const opened = await openModel({ ...context, settings }, { cacheType: options.cacheType });
    await using model = opened.model;
    const loadMs = performance.now() - started;
    const depths = options.depth.filter(
      (depth) => decodeEnd(depth, options.decode) <= model.contextLength,
    );
    for (const depth of options.depth)
      if (!depths.includes(depth))
        output.warn(`depth ${depth} is left out: the context holds ${model.contextLength} tokens`);
    using progress = output.progress({ label: "measure", total: options.repeats, unit: "rounds" });
    const { rounds, ...found } = await benchmark(model, {
      promptTokens: options.prompt,
      decodeTokens: options.decode,
      depths,
      repeats: options.repeats,
      signal,
      onProgress: (done) => {
        progress.update(done);
      },
    });
    progress.finish();
    const kept = rounds.filter((round) => round.kept).length;
    output.result(
      {
        ...provenance(opened, commandLine),
        loadMs,
        weights: { ...model.weights.memory, types: { ...model.weights.memory.types } },
        ...found,
        decode: found.decode.map((row) => ({ ...row })),
        operations:
          found.operations === undefined
            ? null
            : {
                prefill: found.operations.prefill.map(asJson),
                decode: found.operations.decode.map(asJson),
              },
        rounds: rounds.map((round) => ({ ...round })),
      },
      () =>
        [
          formatTable(
            [{ title: opened.reference.name }, { title: "", align: "right" }, { title: "" }],
            [
              ["load", formatDuration(loadMs), ""],
              [`read ${options.prompt}`, `${found.prefill.toFixed(2)} tok/s`, ""],
              ...found.decode.map(({ depth, tokensPerSecond, bandwidthShare }) => [
                `decode ${options.decode} after ${depth}`,
                `${tokensPerSecond.toFixed(2)} tok/s`,
                `${formatPercent(bandwidthShare)} of the read bandwidth`,
              ]),
              ["read bandwidth", `${formatBytes(found.bandwidth)}/s`, ""],
              ...Object.entries(found.arithmetic).map(([arithmetic, flops]) => [
                `multiplies ${arithmetic}`,
                `${(flops / 1e9).toFixed(0)} G${arithmetic === "int8" ? "" : "FL"}OP/s`,
                "in registers",
              ]),
              [
                "peak memory",
                found.peakBytes === undefined ? "unknown" : formatBytes(found.peakBytes),
                "",
              ],
              ["rounds", `${kept} of ${rounds.length} kept`, ""],
            ],
          ),
          ...(options.operations === 0 || found.operations === undefined
            ? []
            : [
                operationTable(`reading ${options.prompt}`, found.operations.prefill),
                operationTable("one more token", found.operations.decode),
              ].map((table) => `\n${table(options.operations)}`)),
        ].join("\n"),
    );
  },
});

function asJson({ arithmeticShare, bytesPerSecond, bandwidthShare, ...row }: OperationAccount) {
  return {
    ...row,
    arithmeticShare: arithmeticShare ?? null,
    bytesPerSecond: bytesPerSecond ?? null,
    bandwidthShare: bandwidthShare ?? null,
  };
}

/** The operations that take longest, beside what the machine can do at most: a product waits for memory or for arithmetic. */
function operationTable(
  title: string,
  accounts: readonly OperationAccount[],
): (count: number) => string {
  return (count) =>
    formatTable(
      [
        { title },
        ...["calls", "ms", "of all", "GFLOP/s", "of peak", "GB/s", "of bandwidth"].map((name) => ({
          title: name,
          align: "right" as const,
        })),
      ],
      accounts
        .slice(0, count)
        .map((account) => [
          account.operation,
          String(account.count),
          account.ms.toFixed(1),
          formatPercent(account.share),
          account.flops === 0 ? "" : (account.flops / 1e9).toFixed(0),
          account.arithmeticShare === undefined ? "" : formatPercent(account.arithmeticShare),
          account.bytesPerSecond === undefined ? "" : (account.bytesPerSecond / 1e9).toFixed(1),
          account.bandwidthShare === undefined ? "" : formatPercent(account.bandwidthShare),
        ]),
    );
}

/** The settings, with the model replaced by a synthetic one where that was asked for; it is written once and kept. */
async function withSyntheticModel({
  options,
  settings,
  folders,
  output,
  signal,
}: Pick<CommandContext, "settings" | "folders" | "output" | "signal"> & {
  options: { synthetic?: keyof typeof PHI_PRESETS | undefined; type: Quantization };
}): Promise<CommandContext["settings"]> {
  const { synthetic, type } = options;
  if (synthetic === undefined) return settings;
  const file = path.join(folders.cache, "synthetic", `${synthetic}-${type}.gguf`);
  if (!existsSync(file)) {
    await mkdir(path.dirname(file), { recursive: true });
    using progress = output.progress({ label: `write ${path.basename(file)}`, unit: "B" });
    await writeSyntheticModel(file, PHI_PRESETS[synthetic], {
      type,
      signal,
      onProgress: ({ bytesDone, bytesTotal }) => {
        progress.update(bytesDone, { total: bytesTotal });
      },
    });
    progress.finish(file);
  }
  return { ...settings, model: file };
}
