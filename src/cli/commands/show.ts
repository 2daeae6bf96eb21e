/** `philab show`: what a model is made of, where it comes from, and how much memory it takes. */
import path from "node:path";
import { formatBytes, formatCount, formatTable } from "../../base/format.ts";
import { visibleLine } from "../../base/terminal.ts";
import { cardFor } from "../../catalog/cards.ts";
import { Store } from "../../catalog/store.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { rowBytes } from "../../engine/dtypes.ts";
import {
  architectureName,
  keyValueHeadsOf,
  modelConfigFromCheckpoint,
  type ModelConfig,
} from "../../model/model-config.ts";
import { kvCacheBytes } from "../../model/kv-cache.ts";
import { countParameters, resolveParameters } from "../../model/parameters.ts";
import { findModel } from "../../open.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";

/** Shares of the context for which memory is shown. */
const CONTEXT_SHARES = [1 / 8, 1 / 4, 1 / 2, 1];

export const command = defineCommand({
  description:
    "Reads the headers of a model's files; no weight is loaded. Of a model of the store also where it comes from and what was said of it, and what its card says.",
  options: flags("model"),
  examples: [
    { command: "philab show", does: "the bundled model" },
    { command: "philab show --model models/phi-2.gguf", does: "a file" },
  ],
  async run({ settings, folders, output, cwd }) {
    const reference = await findModel(settings.model, { folders, cwd });
    const checkpoint = await openCheckpoint(reference.path);
    const config = modelConfigFromCheckpoint(checkpoint);
    const sources = resolveParameters(checkpoint, config);
    const types: Record<string, number> = {};
    let weightBytes = 0;
    const seen = new Set<unknown>(); // a head may be the embedding
    for (const { entry, rows: part, shape } of sources.values()) {
      if (part === undefined && seen.has(entry)) continue;
      seen.add(entry);
      types[entry.dtype] = (types[entry.dtype] ?? 0) + 1;
      const rows = shape.length > 1 ? (shape[0] ?? 1) : 1;
      weightBytes += rows * rowBytes(entry.dtype, shape.at(-1) ?? 1);
    }
    const memory = CONTEXT_SHARES.map((share) => {
      const tokens = Math.round(config.contextLength * share);
      const cache = kvCacheBytes(config, "f16", tokens);
      const quantizedCache = kvCacheBytes(config, "q8_0", tokens);
      return {
        tokens,
        cacheBytes: cache,
        cacheBytesQ8: quantizedCache,
        totalBytes: weightBytes + cache,
      };
    });
    const stored = (await new Store(folders.models).list()).find(({ folder }) =>
      [reference.path, path.dirname(reference.path)].includes(folder),
    );
    const { source, licence, lineage = [] } = stored?.manifest ?? {};
    // A directory may have any name.
    const card = reference.source === "path" ? undefined : cardFor(reference.name, source);
    const result = {
      name: reference.name,
      path: reference.path,
      format: checkpoint.format,
      parameters: countParameters(config),
      config: { ...config },
      types,
      weightBytes,
      memory,
      source: source ?? null,
      licence: licence ?? card?.licence ?? null,
      lineage,
      card: card ?? null,
    };
    output.result(result, () => {
      const facts = [
        ["path", reference.path],
        [
          "format",
          `${checkpoint.format}, ${Object.entries(types)
            .map(([t, n]) => `${n} × ${t}`)
            .join(", ")}`,
        ],
        ["parameters", formatCount(result.parameters)],
        ["weights", formatBytes(weightBytes)],
        ["architecture", architectureName(config.architecture)],
        ["layers", String(config.layers)],
        ["width", `${config.width} (${headsOf(config)})`],
        ["MLP width", String(config.mlpWidth)],
        ["vocabulary", formatCount(config.vocabSize)],
        ["context", `${formatCount(config.contextLength)} tokens`],
        ...(source === undefined ? [] : [["from", visibleLine(source)]]),
        ...(result.licence === null ? [] : [["licence", visibleLine(result.licence)]]),
        ...lineage.map(({ what, from }) => [visibleLine(what), visibleLine(from)]),
      ];
      const said =
        card === undefined
          ? []
          : [`Data: ${card.data}`, `For: ${card.intendedUse}`, `Limits: ${card.limits}`];
      const rows = memory.map(({ tokens, cacheBytes, cacheBytesQ8, totalBytes }) => [
        formatCount(tokens),
        formatBytes(cacheBytes),
        formatBytes(cacheBytesQ8),
        formatBytes(totalBytes),
      ]);
      const columns = ["context", "cache f16", "cache q8_0", "weights + cache f16"];
      return [
        formatTable([{ title: reference.name }, { title: "" }], facts),
        "",
        formatTable(
          columns.map((title) => ({ title, align: "right" as const })),
          rows,
        ),
        ...said.map((line) => `\n${line}`),
      ].join("\n");
    });
  },
});

/** `32 heads × 80, 32 rotary`; with fewer heads of keys and values, how many. */
function headsOf(config: ModelConfig): string {
  const { heads, headSize, architecture } = config;
  const shared = keyValueHeadsOf(config);
  const grouped = shared === heads ? "" : `, ${shared} of keys and values`;
  const rotary = architecture === undefined ? `, ${config.rotaryDims} rotary` : "";
  return `${heads} heads × ${headSize}${grouped}${rotary}`;
}
