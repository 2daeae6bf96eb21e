/** The commands of `philab sae`, as `command-table.ts` has them. */
import type { CommandEntry } from "./command.ts";

export const SAE_COMMANDS: readonly CommandEntry[] = [
  {
    name: "train",
    summary: "a sparse autoencoder or a transcoder of a place in a model",
    load: async () => (await import("./commands/sae-train.ts")).command,
  },
  {
    name: "eval",
    summary: "what a dictionary keeps of a model",
    load: async () => (await import("./commands/sae-eval.ts")).command,
  },
];
