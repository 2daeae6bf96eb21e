/** `philab data report`: a corpus as a page. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { visibleText } from "../../base/terminal.ts";
import { openCorpus } from "../../data/corpus.ts";
import { corpusReport } from "../../data/report.ts";
import { defineCommand } from "../command.ts";
import { fullPath } from "../data.ts";
import { FLAGS } from "../flags.ts";

export const report = defineCommand({
  description:
    "Writes one HTML file: sources and licences, what each stage took out and why, lengths, documents that stayed and that went, hits on benchmarks beside their items. With --json also which items of benchmarks have something similar in the corpus, at each level.",
  arguments: { corpus: z.string().min(1).describe("a corpus") },
  options: {
    out: FLAGS.out,
    benchmarks: z
      .array(z.string().min(1))
      .default([])
      .describe("files of the benchmarks that `decontaminate` looked for")
      .meta({ placeholder: "files" }),
  },
  examples: [
    {
      command: "philab data report corpora/clean",
      does: "writes corpora/clean/report.html",
    },
  ],
  async run({ args, options, output, cwd }) {
    const folder = fullPath(args.corpus, cwd);
    const out =
      options.out === undefined ? path.join(folder, "report.html") : fullPath(options.out, cwd);
    const benchmarks = options.benchmarks.map((file) => fullPath(file, cwd));
    const { page, similar } = await corpusReport(await openCorpus(folder), { benchmarks });
    await writeTextAtomic(out, page);
    output.result({ report: out, similar }, visibleText(out));
  },
});
