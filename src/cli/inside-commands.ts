/** The families of commands that look inside, as `command-table.ts` has them. */
import type { CommandEntry, CommandFamily } from "./command.ts";

const CIRCUIT_COMMANDS: readonly CommandEntry[] = [
  {
    name: "discover",
    summary: "which edges between heads and MLPs carry an answer",
    load: async () => (await import("./commands/circuit-discover.ts")).command,
  },
  {
    name: "prune",
    summary: "the smallest part of a circuit that is still faithful",
    load: async () => (await import("./commands/circuit-prune.ts")).command,
  },
  {
    name: "graph",
    summary: "how features of a prompt make its answer",
    load: async () => (await import("./commands/circuit-graph.ts")).command,
  },
  {
    name: "check",
    summary: "whether a circuit does what it is said to do",
    load: async () => (await import("./commands/circuit-check.ts")).command,
  },
];

const SAE_COMMANDS: readonly CommandEntry[] = [
  {
    name: "train",
    summary: "a sparse autoencoder or a transcoder of a place in a model",
    load: async () => (await import("./commands/sae-train.ts")).command,
  },
  {
    name: "list",
    summary: "the dictionaries that have a name",
    load: async () => (await import("./commands/sae-list.ts")).command,
  },
  {
    name: "eval",
    summary: "what a dictionary keeps of a model",
    load: async () => (await import("./commands/sae-eval.ts")).command,
  },
  {
    name: "features",
    summary: "what single features stand for, and what adding one does",
    load: async () => (await import("./commands/sae-features.ts")).command,
  },
];

export const INSIDE_FAMILIES: readonly CommandFamily[] = [
  {
    name: "circuit",
    summary: "circuits: which parts tell which others something",
    commands: CIRCUIT_COMMANDS,
  },
  {
    name: "sae",
    summary: "features: sparse autoencoders and transcoders",
    commands: SAE_COMMANDS,
  },
];
