/** `philab replay`: checks a saved finding again. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { visibleLine } from "../../base/terminal.ts";
import { readFinding, replayFinding } from "../../interpret/finding.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Opens the model that the finding is about (or the one that --model names), makes its runs again and checks its claim. On the machine that made it the numbers must be the same bits; elsewhere they must be close. Exit code 3 where the claim does not hold.",
  arguments: { finding: z.string().describe("the finding's .json file") },
  options: flags("model", "device", "threads"),
  examples: [
    {
      command: "philab replay examples/findings/a-head-that-matters.json",
      does: "checks a finding about the bundled model",
    },
  ],
  async run(context) {
    const { args, output, signal, commandLine, cwd, settings, sources } = context;
    const finding = await readFinding(path.resolve(cwd, args.finding));
    const { mode, threads } = finding.environment;
    const isSet = (name: "model" | "threads"): boolean => sources[name].from !== "default";
    const opened = await openModel({
      ...context,
      settings: {
        ...settings,
        mode,
        model: isSet("model") ? settings.model : finding.model.reference,
        threads: isSet("threads") ? settings.threads : threads,
      },
      sources: { ...sources, threads: { from: "file", name: args.finding } },
    });
    await using model = opened.model;
    const replay = await replayFinding(model, finding, { signal });
    const { checks, ...rest } = replay;
    const { bits, difference, passed } = rest;
    output.result(
      {
        ...provenance(opened, commandLine),
        claim: finding.claim,
        ...rest,
        checks: checks.map((check) => ({ ...check })),
      },
      () =>
        [
          visibleLine(finding.claim),
          formatTable(
            [{ title: "check" }, { title: "value", align: "right" }, { title: "" }],
            checks.map(({ says, value, passed }) => [
              visibleLine(says),
              formatNumber(value, 6),
              passed ? "holds" : "does not hold",
            ]),
          ),
          bits === "same"
            ? "the same bits"
            : bits === "different"
              ? `not the same bits: metrics differ by up to ${formatNumber(difference, 3)}`
              : `not the same bits, as the ${bits.changed} changed: metrics differ by up to ${formatNumber(difference, 3)}`,
        ].join("\n"),
    );
    if (!passed)
      throw new LabError("check_failed", `the finding does not hold: ${finding.claim}`, {
        hint: "Compare the numbers above with those in the file.",
      });
  },
});
