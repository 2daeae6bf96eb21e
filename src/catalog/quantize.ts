/** The job `quantize`: a smaller file of a model, in the store under a name of its own. */
import { rm, stat } from "node:fs/promises";
import { z } from "zod";
import { sha256File } from "../base/hash.ts";
import { defineJob } from "../jobs/job.ts";
import { QUANTIZATIONS, quantizeModel, type Quantization } from "../model/quantize.ts";
import { Store } from "./store.ts";

export const quantizeArguments = z.strictObject({
  /** The files: a directory, or a GGUF file. */
  from: z.string(),
  /** What the model is called. */
  base: z.string(),
  /** Where it came from, by its own manifest. */
  source: z.string(),
  licence: z.string().optional(),
  /** Of the new model, in the store. */
  name: z.string(),
  type: z.enum(QUANTIZATIONS as [Quantization, ...Quantization[]]),
  allowRequantize: z.boolean().default(false),
  /** `PHILAB_HOME/models`. */
  modelsFolder: z.string(),
});

/** Quantises from the beginning at every attempt; the model appears when it is whole. */
export const quantizeJob = defineJob({
  kind: "quantize",
  arguments: quantizeArguments,
  async run({ arguments: args, signal, progress }) {
    const { from, base, source, licence, name, type, allowRequantize, modelsFolder } = args;
    const store = new Store(modelsFolder);
    const incoming = await store.incoming(`${name}.gguf`);
    // What an earlier attempt left.
    await rm(incoming, { force: true });
    const { sourceBytes } = await quantizeModel({
      ...{ from, to: incoming, type, allowRequantize, signal },
      onProgress: ({ tensor, bytesDone, bytesTotal }) =>
        progress(bytesDone, { total: bytesTotal, message: tensor }),
    });
    const sha256 = await sha256File(incoming, { signal });
    const { size: sizeBytes } = await stat(incoming);
    await store.adopt(incoming, sha256);
    const folder = store.folderOf(name);
    await store.add(folder, {
      source,
      lineage: [
        { what: "recipe", from: `philab quantize ${type}` },
        { what: "base", from: base },
      ],
      files: [{ path: `${name}.gguf`, sizeBytes, sha256 }],
      ...(licence === undefined ? {} : { licence }),
    });
    return { folder, name, sourceBytes, sizeBytes };
  },
});
