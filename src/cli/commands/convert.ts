/** `philab convert`: Hugging Face directories to GGUF files and back. */
import { z } from "zod";
import { formatBytes, formatDuration } from "../../base/format.ts";
import { resolveModelReference } from "../../catalog/reference.ts";
import { DTYPES, type DType } from "../../engine/dtypes.ts";
import { convertModel } from "../../model/convert.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";

const dtypeNames = Object.keys(DTYPES) as [DType, ...DType[]];

export const command = defineCommand({
  description:
    "Reads every layout that Phi models were published in, and writes the current Hugging Face layout or GGUF. The result appears whole or not at all.",
  arguments: { to: z.string().min(1).describe("a directory, or a file that ends in .gguf") },
  options: {
    ...flags("model"),
    dtype: z
      .enum(dtypeNames)
      .optional()
      .describe("element type: f32, f16 or bf16; every tensor keeps its own by default")
      .meta({ placeholder: "type" }),
    replace: z.boolean().default(false).describe("write over what is there"),
  },
  examples: [
    { command: "philab convert phi-micro.gguf --dtype f16", does: "the bundled model as GGUF" },
    { command: "philab convert phi-2-hf --model phi-2.gguf", does: "a GGUF file as a directory" },
  ],
  async run({ args, options, settings, folders, output, signal, cwd }) {
    const reference = await resolveModelReference(settings.model, { folders, cwd });
    const started = performance.now();
    using progress = output.progress({ label: `convert ${reference.name}`, unit: "B" });
    const { path, format, tensors, sourceBytes, sizeBytes } = await convertModel({
      from: reference.path,
      to: args.to,
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
        path,
        format,
        tensors: tensors.map((tensor) => ({ ...tensor })),
        sourceBytes,
        sizeBytes,
      },
      `${path}: ${tensors.length} tensors, ${formatBytes(sizeBytes)}, in ${formatDuration(performance.now() - started)}`,
    );
  },
});
