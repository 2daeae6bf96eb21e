/** `philab run`: continue a prompt. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { SAMPLING_SCHEMAS, resolveSampling } from "../../generate/sampling-options.ts";
import { formatPrompt, PROMPT_FORMATS } from "../../generate/prompt.ts";
import type { FinishReason, GeneratedToken } from "../../generate/generate.ts";
import type { Prompt } from "../../generate/language-model.ts";
import { KV_CACHE_TYPES } from "../../model/kv-cache.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "The text goes to stdout as it is made. Without a prompt, stdin is read. Base models continue a text: give a format to ask a question or to take part in a conversation.",
  arguments: { prompt: z.string().optional().describe("the text to continue") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "tokens"),
    ...SAMPLING_SCHEMAS,
    format: z
      .enum(PROMPT_FORMATS)
      .default("text")
      .describe(
        "text: as it is; code: ends with the function; qa: Instruct/Output; chat: Alice/Bob",
      ),
    echo: z.boolean().default(false).describe("print the prompt before its continuation"),
    cacheType: z.enum(KV_CACHE_TYPES).optional().describe("type of cached keys and values"),
  },
  examples: [
    { command: 'philab run "def add_numbers(a, b):"', does: "continue a piece of Python" },
    { command: 'philab run --format qa "What is 3 + 4?"', does: "ask a question" },
    {
      command:
        'philab run -n 40 -t 0.8 --top-p 0.95 --seed 1 "When Mary and John went to the store,"',
      does: "sample a continuation",
    },
  ],
  async run(context) {
    const { options, output, signal, commandLine } = context;
    const given = await readPrompt(context);
    const opened = await openModel(context, { cacheType: options.cacheType });
    await using model = opened.model;
    const { prompt, stop, notes } =
      typeof given === "string"
        ? formatPrompt(given, options.format, { tokenizer: model.tokenizer })
        : { prompt: given, stop: [], notes: [] };
    for (const note of notes) output.note(note);
    const sampling = resolveSampling({
      ...options,
      ...(context.sources.seed.from === "default" ? {} : { seed: context.settings.seed }),
      maxTokens: options.maxTokens ?? 256,
      stop: [...options.stop, ...stop],
    });
    const promptIds = model.promptIds(prompt);
    const tokens: GeneratedToken[] = [];
    const started = performance.now();
    let firstMs = 0;
    let finishReason: FinishReason = "length";
    if (options.echo && typeof prompt === "string") output.stream(prompt);
    for await (const token of model.generate(prompt, { ...sampling, signal })) {
      if (tokens.length === 0) firstMs = performance.now() - started;
      tokens.push(token);
      output.stream(model.hasTokenizer ? token.text : `${tokens.length > 1 ? "," : ""}${token.id}`);
      finishReason = token.finishReason ?? finishReason;
    }
    const decodeMs = performance.now() - started - firstMs;
    output.stream("\n");
    output.result({
      ...provenance(opened, commandLine),
      sampling: { ...sampling },
      prompt: typeof prompt === "string" ? prompt : null,
      promptIds,
      text: tokens.map(({ text }) => text).join(""),
      tokens: tokens.map(({ id, logprob, top }) => ({
        id,
        logprob,
        top: top.map((t) => ({ ...t })),
      })),
      finishReason,
      timings: {
        promptTokens: promptIds.length,
        firstTokenMs: firstMs,
        tokensPerSecond: tokens.length > 1 ? ((tokens.length - 1) / decodeMs) * 1000 : null,
      },
    });
  },
});

/** The prompt from the argument, from `--tokens` or from stdin. */
async function readPrompt({
  args,
  options,
  stdin,
}: Pick<CommandContext, "stdin"> & {
  args: { prompt?: string | undefined };
  options: { tokens?: number[] | undefined };
}): Promise<Prompt> {
  if (options.tokens === undefined) return args.prompt ?? readStdin(stdin);
  if (args.prompt === undefined) return options.tokens;
  throw new LabError("bad_input", "both a text and --tokens were given", {
    hint: "Give one of them.",
  });
}

async function readStdin(stdin: CommandContext["stdin"]): Promise<string> {
  if (stdin.isTTY)
    throw new LabError("bad_input", "no prompt was given", {
      hint: 'Give it in quotes: philab run "def add(a, b):"',
    });
  let text = "";
  stdin.setEncoding("utf8");
  for await (const piece of stdin) text += String(piece);
  return text;
}
