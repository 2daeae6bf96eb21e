/** Every command, in the order and groups of `philab --help`. A command's file is imported when it is called. */
import type { CommandGroup } from "./command.ts";

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: "Work on record",
    commands: [
      {
        name: "runs",
        summary: "long jobs: what ran, how it went, what it is doing now",
        fallback: "list",
        commands: [
          {
            name: "list",
            summary: "runs, newest first",
            load: async () => (await import("./commands/runs.ts")).list,
          },
          {
            name: "show",
            summary: "one run: what it was given, where it stands, what came out",
            load: async () => (await import("./commands/runs.ts")).show,
          },
          {
            name: "tail",
            summary: "a run's events as they happen",
            load: async () => (await import("./commands/runs.ts")).tail,
          },
        ],
      },
    ],
  },
];
