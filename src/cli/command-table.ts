/** Every command, in the order and groups of `philab --help`. A command's file is imported when it is called. */
import type { CommandGroup } from "./command.ts";
import { INSIDE_FAMILIES } from "./inside-commands.ts";
import { SAFETY_COMMANDS } from "./safety-commands.ts";

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: "Use a model",
    commands: [
      {
        name: "run",
        summary: "continue a prompt",
        load: async () => (await import("./commands/run.ts")).command,
      },
      {
        name: "chat",
        summary: "a conversation in the terminal",
        load: async () => (await import("./commands/chat.ts")).command,
      },
      {
        name: "score",
        summary: "log-likelihood of given continuations",
        load: async () => (await import("./commands/score.ts")).command,
      },
    ],
  },
  {
    title: "Serve a model",
    commands: [
      {
        name: "serve",
        summary: "an OpenAI-compatible server",
        load: async () => (await import("./commands/serve.ts")).command,
      },
      {
        name: "studio",
        summary: "the laboratory in a browser",
        load: async () => (await import("./commands/studio.ts")).command,
      },
    ],
  },
  {
    title: "Look inside",
    commands: [
      {
        name: "lens",
        summary: "what each layer would say next",
        load: async () => (await import("./commands/lens.ts")).command,
      },
      {
        name: "attention",
        summary: "where each head looks",
        load: async () => (await import("./commands/attention.ts")).command,
      },
      {
        name: "patch",
        summary: "which inner values carry an answer",
        load: async () => (await import("./commands/patch.ts")).command,
      },
      {
        name: "attribute",
        summary: "which parts wrote an answer",
        load: async () => (await import("./commands/attribute.ts")).command,
      },
      {
        name: "heads",
        summary: "what kind of head each one is, and which work together",
        load: async () => (await import("./commands/heads.ts")).command,
      },
      ...INSIDE_FAMILIES,
      {
        name: "steer",
        summary: "a direction in the stream, and what adding it does",
        load: async () => (await import("./commands/steer.ts")).command,
      },
      {
        name: "replay",
        summary: "check a saved finding again, to the bit",
        load: async () => (await import("./commands/replay.ts")).command,
      },
    ],
  },
  {
    title: "Models on disk",
    commands: [
      {
        name: "pull",
        summary: "fetch a model from the Hugging Face hub",
        load: async () => (await import("./commands/pull.ts")).command,
      },
      {
        name: "import",
        summary: "take a model or an adapter of yours into the store",
        load: async () => (await import("./commands/models.ts")).importModel,
      },
      {
        name: "list",
        summary: "what lies in the store; cards of known models",
        load: async () => (await import("./commands/models.ts")).list,
      },
      {
        name: "verify",
        summary: "whether a model is still what was fetched, and computes what transformers does",
        load: async () => (await import("./commands/verify.ts")).command,
      },
      {
        name: "remove",
        summary: "remove a stored model",
        load: async () => (await import("./commands/models.ts")).remove,
      },
      {
        name: "compare",
        summary: "cards, published scores and measurements side by side",
        load: async () => (await import("./commands/compare.ts")).command,
      },
      {
        name: "show",
        summary: "architecture, parameters, memory by context length",
        load: async () => (await import("./commands/show.ts")).command,
      },
      {
        name: "convert",
        summary: "Hugging Face directories to GGUF files and back",
        load: async () => (await import("./commands/convert.ts")).command,
      },
      {
        name: "quantize",
        summary: "a smaller and faster file of a model",
        load: async () => (await import("./commands/quantize.ts")).command,
      },
      {
        name: "adapter",
        summary: "LoRA adapters: what they change, merged, for other programs",
        commands: [
          {
            name: "show",
            summary: "ranks, scales and layers of an adapter, and whether it fits a model",
            load: async () => (await import("./commands/adapter.ts")).show,
          },
          {
            name: "attach",
            summary: "an adapter that a model brings along: used unless another is named",
            load: async () => (await import("./commands/adapter-attach.ts")).command,
          },
          {
            name: "merge",
            summary: "a model with an adapter merged into its weights",
            load: async () => (await import("./commands/adapter.ts")).merge,
          },
          {
            name: "convert",
            summary: "PEFT's directories to llama.cpp's GGUF files and back",
            load: async () => (await import("./commands/adapter.ts")).convert,
          },
        ],
      },
    ],
  },
  {
    title: "Choose what to learn from",
    commands: [
      {
        name: "data",
        summary: "corpora: read, clean, deduplicate, choose and mix",
        commands: [
          {
            name: "ingest",
            summary: "a corpus from JSONL, Parquet, texts and code",
            load: async () => (await import("./commands/data.ts")).ingest,
          },
          {
            name: "clean",
            summary: "take out what breaks rules of quality, replace addresses",
            load: async () => (await import("./commands/data.ts")).clean,
          },
          {
            name: "dedup",
            summary: "of equal and nearly equal documents keep one",
            load: async () => (await import("./commands/data.ts")).dedup,
          },
          {
            name: "decontaminate",
            summary: "take out what holds items of benchmarks, paraphrased too",
            load: async () => (await import("./commands/data.ts")).decontaminate,
          },
          {
            name: "annotate",
            summary: "rate a sample, by a model or by hand",
            load: async () => (await import("./commands/data-annotate.ts")).command,
          },
          {
            name: "classify",
            summary: "score every document by what ratings teach",
            load: async () => (await import("./commands/data-select.ts")).classify,
          },
          {
            name: "select",
            summary: "keep what scores well, and what passes its own tests",
            load: async () => (await import("./commands/data-select.ts")).select,
          },
          {
            name: "mix",
            summary: "what a training run reads: weights, epochs, stages, a budget",
            load: async () => (await import("./commands/data-mix.ts")).mix,
          },
          {
            name: "report",
            summary: "a corpus as a page: card, stages, samples, hits on benchmarks",
            load: async () => (await import("./commands/data-report.ts")).report,
          },
          {
            name: "run",
            summary: "the stages of a recipe, all shards or one of them",
            load: async () => (await import("./commands/data.ts")).run,
          },
          {
            name: "merge",
            summary: "check and join what shards have done",
            load: async () => (await import("./commands/data.ts")).merge,
          },
          {
            name: "synth",
            summary: "made-up material from grammars or a model, code run before it is kept",
            load: async () => (await import("./commands/data-synth.ts")).command,
          },
        ],
      },
    ],
  },
  {
    title: "Change a model",
    commands: [
      {
        name: "train",
        summary: "learn from text: a new model, a given one, or a grown one",
        load: async () => (await import("./commands/train.ts")).command,
      },
      {
        name: "finetune",
        summary: "learn from answers, or from pairs of them: an adapter, or all weights",
        load: async () => (await import("./commands/finetune.ts")).command,
      },
      {
        name: "tokenizer",
        summary: "byte-level BPE: make one from text, look into one",
        commands: [
          {
            name: "train",
            summary: "learn a tokenizer from texts",
            load: async () => (await import("./commands/tokenizer.ts")).train,
          },
          {
            name: "show",
            summary: "a tokenizer's size and tokens, and how it cuts a text",
            load: async () => (await import("./commands/tokenizer.ts")).show,
          },
        ],
      },
    ],
  },
  {
    title: "Measure a model",
    commands: [
      {
        name: "eval",
        summary: "the benchmarks of the Phi reports, with lm-evaluation-harness' numbers",
        commands: [
          {
            name: "run",
            summary: "ask a model the questions of tasks, and count",
            load: async () => (await import("./commands/eval.ts")).run,
          },
          {
            name: "list",
            summary: "tasks and groups, their data and licences",
            load: async () => (await import("./commands/eval.ts")).list,
          },
          {
            name: "compare",
            summary: "two runs item by item, and a page with the published scores",
            load: async () => (await import("./commands/eval-compare.ts")).compare,
          },
          {
            name: "prompts",
            summary: "the prompts of the Phi-2 report, with checks",
            load: async () => (await import("./commands/eval-compare.ts")).prompts,
          },
        ],
      },
    ],
  },
  {
    title: "Make it safer",
    commands: [
      {
        name: "safety",
        summary: "how a model behaves, and what a change costs",
        commands: SAFETY_COMMANDS,
      },
    ],
  },
  {
    title: "This machine",
    commands: [
      {
        name: "doctor",
        summary: "what computes here, how fast, and what would be faster",
        load: async () => (await import("./commands/doctor.ts")).command,
      },
      {
        name: "bench",
        summary: "load time, speed and memory of a model",
        load: async () => (await import("./commands/bench.ts")).command,
      },
    ],
  },
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
          {
            name: "resume",
            summary: "go on with a run that was stopped",
            load: async () => (await import("./commands/runs.ts")).resume,
          },
        ],
      },
    ],
  },
];
