/** `philab safety stand-ins`: harmless files that every measure of safety reads. */
import path from "node:path";
import { writeStandIns } from "../../safety/stand-in-files.ts";
import { STAND_INS } from "../../safety/stand-ins.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";

export const command = defineCommand({
  description:
    "Writes harmless files in the forms that the measures of safety read, for trying them without any that harm: unkind sentences about gardeners and bakers in place of ToxiGen's (toxiGen.json), secrets and colours in place of XSTest's prompts (prompts.csv), what a fine-tune learns from to keep secrets (lessons.jsonl), and numbers that are even or odd, for a direction (positive.txt, negative.txt). They show a measure at work and measure no harm.",
  options: flags("out"),
  examples: [
    {
      command: "philab safety stand-ins --out ./stand-ins",
      does: "then: philab safety toxigen --data ./stand-ins",
    },
  ],
  async run({ options, output, cwd }) {
    const files = await writeStandIns(path.resolve(cwd, options.out ?? STAND_INS));
    output.result({ files }, () => files.join("\n"));
  },
});
