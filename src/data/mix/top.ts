/** The stage `top`: the documents whose score is highest, or lowest, as many as are wanted of all shards together. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { invariant, LabError } from "../../base/errors.ts";
import { idHash } from "../dedup/survey.ts";
import type { Document } from "../document.ts";
import { eachDocument, type Stage } from "../stage.ts";

export const topOptions = z.strictObject({
  score: z
    .string()
    .min(1)
    .describe("the score that decides, such as dsir.sampled or perplexity.bits")
    .meta({ placeholder: "name" }),
  share: z.number().gt(0).max(1).describe("of the documents, how many stay"),
  lowest: z.boolean().default(false).describe("keep the lowest scores instead, as of perplexity"),
});
export type TopOptions = z.output<typeof topOptions>;

const RECORD_BYTES = 16;

export function createTop(options: TopOptions): Stage {
  const { score, share, lowest } = options;
  /** Larger is better. */
  const rank = (document: Document): number => {
    const value = document.scores[score];
    if (value === undefined)
      throw new LabError("bad_input", `${document.id} has no score ${score}`, {
        hint: `It has ${Object.keys(document.scores).join(", ") || "none"}.`,
      });
    return lowest ? -value : value;
  };
  return {
    name: "top",
    options: { ...options },
    survey: {
      async collect(documents, sink) {
        for await (const document of documents) {
          const record = Buffer.alloc(RECORD_BYTES);
          record.writeDoubleLE(rank(document), 0);
          record.writeBigUInt64LE(idHash(document.id), 8);
          await sink.write(record);
        }
      },
      /** The rank and the id's hash of the last one that stays; of equal ranks the lesser hash goes first. */
      async merge(files, sink) {
        const bytes = Buffer.concat(await Promise.all(files.map((file) => readFile(file))));
        const count = bytes.length / RECORD_BYTES;
        const order = Array.from({ length: count }, (_, i) => ({
          value: bytes.readDoubleLE(RECORD_BYTES * i),
          id: bytes.readBigUInt64LE(RECORD_BYTES * i + 8),
        })).sort((a, b) => b.value - a.value || (a.id < b.id ? -1 : 1));
        const last = order[Math.max(1, Math.round(share * count)) - 1];
        const record = Buffer.alloc(RECORD_BYTES);
        record.writeDoubleLE(last?.value ?? 0, 0);
        record.writeBigUInt64LE(last?.id ?? 0n, 8);
        await sink.write(record);
      },
    },
    async open({ surveyed }) {
      invariant(surveyed !== undefined, "top was opened without its survey");
      const bytes = await readFile(surveyed);
      const [value, id] = [bytes.readDoubleLE(0), bytes.readBigUInt64LE(8)];
      return eachDocument((document) => {
        const own = rank(document);
        const stays = own > value || (own === value && idHash(document.id) <= id);
        return stays ? { document } : { document, rejectedBy: "not_top" };
      });
    },
  };
}
