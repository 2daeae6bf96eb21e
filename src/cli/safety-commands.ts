/** The commands of `philab safety`, as `command-table.ts` has them. */
import type { CommandEntry } from "./command.ts";

export const SAFETY_COMMANDS: readonly CommandEntry[] = [
  {
    name: "toxigen",
    summary: "the ToxiGen safety score on 13 groups of people",
    load: async () => (await import("./commands/safety-toxigen.ts")).command,
  },
  {
    name: "behave",
    summary: "what a model refuses, and whether it follows stereotypes",
    load: async () => (await import("./commands/safety-behave.ts")).command,
  },
  {
    name: "tofu",
    summary: "TOFU's model utility and forget quality, from logs",
    load: async () => (await import("./commands/safety-tofu.ts")).command,
  },
  {
    name: "direction",
    summary: "the direction that a behaviour goes by, and a model without it",
    load: async () => (await import("./commands/safety-direction.ts")).command,
  },
  {
    name: "steer",
    summary: "a control vector at several strengths: what it does and costs",
    load: async () => (await import("./commands/safety-steer.ts")).command,
  },
  {
    name: "redteam",
    summary: "attack a model of yours, and see what it gives in to",
    load: async () => (await import("./commands/safety-redteam.ts")).command,
  },
  {
    name: "report",
    summary: "the panel before and after a change, and what moved inside",
    load: async () => (await import("./commands/safety-report.ts")).command,
  },
  {
    name: "unlearn",
    summary: "make a model forget some answers and keep the rest",
    load: async () => (await import("./commands/safety-unlearn.ts")).command,
  },
  {
    name: "stand-ins",
    summary: "harmless files to try the measures of safety on",
    load: async () => (await import("./commands/safety-stand-ins.ts")).command,
  },
];
