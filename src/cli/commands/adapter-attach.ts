/** `philab adapter attach`: an adapter that travels with a model, such as one that makes it safer. */
import { copyFile, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeDirectoryAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { DEFAULT_ADAPTER, resolveAdapter } from "../../catalog/reference.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { openAdapter } from "../../model/adapter-file.ts";
import { fitAdapter } from "../../model/adapter-source.ts";
import { configFromCheckpoint } from "../../model/config.ts";
import { findModel } from "../../open.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";

export const command = defineCommand({
  description:
    "Copies an adapter into a model's directory. From then on whoever opens or serves the model uses it, unless another adapter is named or +none. It is held against the model first.",
  arguments: {
    adapter: z
      .string()
      .min(1)
      .optional()
      .describe("a name in the store or a directory in PEFT's format"),
  },
  options: {
    ...flags("model"),
    detach: z.boolean().default(false).describe("takes it out again"),
    replace: z.boolean().default(false).describe("in place of the one that is there"),
  },
  examples: [
    {
      command: "philab adapter attach ./safer --model ./phi-2",
      does: "phi-2 is served with the adapter from now on",
    },
    { command: "philab adapter attach --detach --model ./phi-2", does: "and no longer" },
  ],
  async run({ args, options, settings, sources, folders, output, cwd }) {
    if (sources.model.from === "default")
      throw new LabError("bad_input", "the model is not named", {
        hint: "Name the directory that is to bring the adapter along: --model ./phi-2.",
      });
    const model = await findModel(settings.model, { folders, cwd });
    if (model.kind !== "directory")
      throw new LabError("unsupported", `${model.name} is one file: no adapter can lie in it`, {
        hint: "Merge the adapter into the model instead: philab adapter merge.",
      });
    const place = path.join(model.path, DEFAULT_ADAPTER);
    if (options.detach) {
      if ((await stat(place).catch(() => undefined)) === undefined)
        throw new LabError("not_found", `${model.name} brings no adapter along`);
      await rm(place, { recursive: true });
      output.result({ model: model.path, adapter: null }, `${model.name} brings no adapter along`);
      return;
    }
    if (args.adapter === undefined)
      throw new LabError("bad_input", "the adapter is not named", {
        hint: "philab adapter attach ./safer --model ./phi-2",
      });
    const { path: from, name } = await resolveAdapter(args.adapter, { folders, cwd });
    const adapter = await openAdapter(from);
    if (adapter.format !== "peft")
      throw new LabError("unsupported", `${name} is a GGUF file; a directory is needed`, {
        hint: "philab adapter convert ./directory --adapter FILE writes one.",
      });
    fitAdapter(adapter, configFromCheckpoint(await openCheckpoint(model.path)));
    await writeDirectoryAtomic(
      place,
      async (folder) => {
        for (const entry of await readdir(from, { withFileTypes: true }))
          if (entry.isFile())
            await copyFile(path.join(from, entry.name), path.join(folder, entry.name));
      },
      { replace: options.replace },
    );
    output.result(
      { model: model.path, adapter: place, from },
      `${model.name} brings ${name} along; ${model.name}+none is without it`,
    );
  },
});
