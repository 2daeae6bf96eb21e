/** `philab quantize`: a smaller and faster GGUF file of a model. */
import { z } from "zod";
import { formatBytes, formatDuration, formatTable } from "../../base/format.ts";
import { resolveModelReference } from "../../catalog/reference.ts";
import { QUANTIZATIONS, quantizeModel, type Quantization } from "../../model/quantize.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";

export const command = defineCommand({
  description:
    "Gives every matrix the type that llama.cpp's mix of that name gives it. Where rows do not divide into its blocks, the fallback type is named in the output.",
  arguments: {
    type: z.enum(QUANTIZATIONS as [Quantization, ...Quantization[]]).describe("the mix"),
    to: z.string().min(1).describe("the .gguf file to write"),
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
    { command: "philab quantize q8_0 phi-micro.gguf", does: "the bundled model in 8 bits" },
    { command: "philab quantize q4_k_m phi-2.gguf --model ./phi-2", does: "Phi-2 in 4 to 6 bits" },
  ],
  async run({ args, options, settings, folders, output, signal, cwd }) {
    const reference = await resolveModelReference(settings.model, { folders, cwd });
    const started = performance.now();
    using progress = output.progress({ label: `quantise ${reference.name}`, unit: "B" });
    const { path, tensors, sourceBytes, sizeBytes } = await quantizeModel({
      from: reference.path,
      to: args.to,
      type: args.type,
      replace: options.replace,
      allowRequantize: options.allowRequantize,
      signal,
      onProgress: ({ tensor, bytesDone, bytesTotal }) => {
        progress.update(bytesDone, { total: bytesTotal, message: tensor });
      },
    });
    progress.finish();
    const written = tensors.map((tensor) => ({ ...tensor }));
    const result = {
      from: reference.path,
      path,
      type: args.type,
      tensors: written,
      sourceBytes,
      sizeBytes,
    };
    output.result(result, () =>
      [
        formatTable(
          [{ title: "tensor" }, { title: "from" }, { title: "to" }, { title: "" }],
          tensors.map(({ name, from, dtype, wanted }) => [
            name,
            from,
            dtype,
            wanted === undefined ? "" : `instead of ${wanted}: its rows are no whole blocks`,
          ]),
        ),
        `${path}: ${formatBytes(sizeBytes)} from ${formatBytes(sourceBytes)}, in ${formatDuration(performance.now() - started)}`,
      ].join("\n"),
    );
  },
});
