/** `philab safety tofu`: TOFU's numbers from the logs of an evaluation. */
import path from "node:path";
import { z } from "zod";
import { formatCount, formatNumber, formatTable } from "../../base/format.ts";
import { forgetQuality, readTofuLogs, tofuUtility } from "../../safety/tofu/metrics.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  description:
    "Model utility and forget quality of TOFU (Maini et al. 2024) from eval_log_aggregated.json, as the benchmark's evaluation writes it, also compressed. Forget quality compares with a model that never learned what is to be forgotten.",
  arguments: { log: z.string().min(1).describe("eval_log_aggregated.json of the model") },
  options: {
    retain: z
      .string()
      .min(1)
      .optional()
      .describe("the same of a model that never learned it, for forget quality")
      .meta({ placeholder: "path" }),
  },
  examples: [
    {
      command: "philab safety tofu unlearned.json --retain retain90.json",
      does: "what is still known, and how well the rest is forgotten",
    },
  ],
  async run({ args, options, output, cwd }) {
    const logs = await readTofuLogs(path.resolve(cwd, args.log));
    const { parts, modelUtility } = tofuUtility(logs);
    const quality =
      options.retain === undefined
        ? undefined
        : forgetQuality(logs, await readTofuLogs(path.resolve(cwd, options.retain)));
    const rows = Object.entries(parts).map(([part, { probability, rouge, truthRatio }]) => [
      part.replace(/[A-Z]/, (letter) => ` ${letter.toLowerCase()}`),
      ...[probability, rouge, truthRatio].map((value) => value.toFixed(4)),
      formatCount(logs[part as keyof typeof parts].length),
    ]);
    output.result(
      {
        parts: Object.fromEntries(Object.entries(parts).map(([part, own]) => [part, { ...own }])),
        modelUtility,
        ...(quality === undefined ? {} : { forgetQuality: { ...quality } }),
      },
      () =>
        [
          formatTable(
            [
              { title: "part" },
              { title: "probability", align: "right" },
              { title: "ROUGE-L", align: "right" },
              { title: "truth ratio", align: "right" },
              { title: "items", align: "right" },
            ],
            rows,
          ),
          `model utility ${modelUtility.toFixed(4)}`,
          ...(quality === undefined
            ? []
            : [
                `forget quality ${formatNumber(quality.pValue)} (Kolmogorov–Smirnov distance ${quality.statistic.toFixed(4)})`,
              ]),
        ].join("\n"),
    );
  },
});
