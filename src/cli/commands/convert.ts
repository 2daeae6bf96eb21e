/** `philab convert`: Hugging Face directories to GGUF files and back. */
import path from "node:path";
import { z } from "zod";
import { formatBytes, formatDuration } from "../../base/format.ts";
import { expandHome } from "../../base/settings.ts";
import { convertModel } from "../../model/convert.ts";
import { findModel } from "../../open.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";

export const command = defineCommand({
  description:
    "Reads every layout that Phi models were published in, and writes the current Hugging Face layout or GGUF. The result appears whole or not at all.",
  arguments: { to: z.string().min(1).describe("a directory, or a file that ends in .gguf") },
  options: {
    ...flags("model"),
    dtype: z
      .enum(["f32", "f16", "bf16"])
      .optional()
      .describe("element type; every tensor keeps its own by default")
      .meta({ placeholder: "type" }),
    replace: z.boolean().default(false).describe("write over what is there"),
  },
  examples: [
    { command: "philab convert phi-nano.gguf --dtype f16", does: "the bundled model as GGUF" },
    { command: "philab convert phi-2-hf --model phi-2.gguf", does: "a GGUF file as a directory" },
  ],
  async run({ args, options, settings, folders, output, signal, cwd }) {
    const reference = await findModel(settings.model, { folders, cwd });
    const started = performance.now();
    using progress = output.progress({ label: `convert ${reference.name}`, unit: "B" });
    const {
      path: written,
      format,
      tensors,
      sourceBytes,
      sizeBytes,
    } = await convertModel({
      from: reference.path,
      to: path.resolve(cwd, expandHome(args.to)),
      replace: options.replace,
      signal,
      ...(options.dtype === undefined ? {} : { dtype: options.dtype }),
      onProgress: ({ tensor, bytesDone, bytesTotal }) => {
        progress.update(bytesDone, { total: bytesTotal, message: tensor });
      },
    });
    progress.finish();
    output.result(
      {
        from: reference.path,
        path: written,
        format,
        tensors: tensors.map((tensor) => ({ ...tensor })),
        sourceBytes,
        sizeBytes,
      },
      `${args.to}: ${tensors.length} tensors, ${formatBytes(sizeBytes)}, in ${formatDuration(performance.now() - started)}`,
    );
  },
});
