/** `philab list`, `import`, `remove`: models in the store, and cards of those that could be. */
import path from "node:path";
import { z } from "zod";
import { formatBytes, formatShort, formatTable } from "../../base/format.ts";
import { expandHome } from "../../base/settings.ts";
import { visibleLine } from "../../base/terminal.ts";
import { CARDS, publishedScores } from "../../catalog/cards.ts";
import { importFiles, isAdapter } from "../../catalog/import.ts";
import { findStored, Store, type StoredModel } from "../../catalog/store.ts";
import { defineCommand } from "../command.ts";

const sizeOf = ({ manifest }: StoredModel): number =>
  (manifest?.files ?? []).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

const storeName = z.string().min(1).describe("a name that philab list shows");

export const list = defineCommand({
  description: "What lies in the store, and with --cards what is known of models that could.",
  options: { cards: z.boolean().default(false).describe("show cards instead") },
  examples: [
    { command: "philab list", does: "models and adapters of the store" },
    { command: "philab list --cards", does: "Phi and the models it is compared with" },
  ],
  async run({ options, folders, output }) {
    if (options.cards) {
      output.result(
        { cards: CARDS.map((card) => ({ ...card, published: publishedScores(card) })) },
        () =>
          formatTable(
            [
              { title: "card" },
              { title: "parameters", align: "right" },
              { title: "licence" },
              { title: "pull" },
            ],
            CARDS.map(({ id, parameters, licence, hub }) => [
              id,
              formatShort(parameters),
              licence,
              hub ?? "comes with philab",
            ]),
          ),
      );
      return;
    }
    const models = await new Store(folders.models).list();
    const adapters = await new Store(folders.adapters).list();
    const rows = [
      ...models.map((model) => ({ kind: "model", model })),
      ...adapters.map((model) => ({ kind: "adapter", model })),
    ];
    const result = rows.map(({ kind, model }) => ({
      ...{ kind, name: model.name, folder: model.folder, sizeBytes: sizeOf(model) },
      ...(model.manifest === undefined
        ? {}
        : { source: model.manifest.source, lineage: model.manifest.lineage }),
    }));
    output.result({ models: result }, () =>
      rows.length === 0
        ? "The store is empty. philab pull phi-2 fetches a model; philab import takes one of yours."
        : formatTable(
            [
              { title: "name" },
              { title: "kind" },
              { title: "size", align: "right" },
              { title: "from" },
            ],
            rows.map(({ kind, model }) => [
              visibleLine(model.name),
              kind,
              model.manifest === undefined ? "" : formatBytes(sizeOf(model)),
              visibleLine(model.manifest?.source ?? "put there by hand"),
            ]),
          ),
    );
  },
});

export const importModel = defineCommand({
  description:
    "Copies a model or an adapter of yours into the store, after a look at its headers. Pickles are left out.",
  arguments: { path: z.string().min(1).describe("a directory or a .gguf file") },
  options: {
    name: z.string().min(1).optional().describe("its name in the store; default: the file's"),
    licence: z.string().min(1).optional().describe("under which it may be used"),
    base: z.string().min(1).optional().describe("the model that it was made from"),
    data: z.string().min(1).optional().describe("the data that it was trained on"),
    recipe: z.string().min(1).optional().describe("how: a run, or a file"),
    replace: z.boolean().default(false).describe("replace what has this name"),
  },
  examples: [
    {
      command: "philab import ./my-phi --name my-phi --base phi-1.5 --data tiny-textbooks",
      does: "a model, with where it comes from",
    },
  ],
  async run({ args, options, folders, output, signal, cwd }) {
    const from = path.resolve(cwd, expandHome(args.path));
    const name =
      options.name ??
      path
        .basename(from)
        .replace(/\.gguf$/i, "")
        .toLowerCase();
    const lineage = (["recipe", "data", "base"] as const).flatMap((what) => {
      const said = options[what];
      return said === undefined ? [] : [{ what, from: said }];
    });
    const folder = (await isAdapter(from)) ? folders.adapters : folders.models;
    using progress = output.progress({ label: "import", unit: "B" });
    const found = await importFiles(from, {
      ...{ folder, name, lineage, licence: options.licence, replace: options.replace, signal },
      onProgress: (done, total) => progress.update(done, { total }),
    });
    progress.finish();
    for (const file of found.leftOut) output.warn(`left out: ${visibleLine(file)}`);
    output.result(
      { name, ...found },
      () => `${name}: ${found.files.length} files in ${found.folder}`,
    );
  },
});

export const remove = defineCommand({
  description:
    "Removes a stored model, and the bytes that no other model has. Nothing else can bring it back.",
  arguments: { name: storeName },
  options: { adapter: z.boolean().default(false).describe("an adapter of that name") },
  examples: [{ command: "philab remove my-phi", does: "frees its space" }],
  async run({ args, options, folders, output }) {
    const folder = options.adapter ? folders.adapters : folders.models;
    const freedBytes = await new Store(folder).remove(await findStored(folder, args.name));
    output.result(
      { name: args.name, freedBytes },
      () => `${args.name} is gone; ${formatBytes(freedBytes)} are free again`,
    );
  },
});
