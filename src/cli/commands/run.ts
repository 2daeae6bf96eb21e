/** `philab run`: continue a prompt. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import type { FinishReason, GeneratedToken } from "../../generate/generate.ts";
import type { LanguageModel, Prompt } from "../../generate/language-model.ts";
import {
  formatPrompt,
  PROMPT_FORMATS,
  type FormattedPrompt,
  type PromptFormat,
} from "../../generate/prompt.ts";
import { SAMPLING_SCHEMAS, resolveSampling } from "../../generate/sampling-options.ts";
import { KV_CACHE_TYPES } from "../../model/kv-cache.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { DEFAULT_MAX_TOKENS, FLAGS, flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "The text goes to stdout as it is made. Without a prompt, stdin is read, less its last newline. Base models continue a text: give a format to ask a question or to take part in a conversation.",
  arguments: { prompt: z.string().optional().describe("the text to continue") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "tokens"),
    ...SAMPLING_SCHEMAS,
    maxTokens: FLAGS.maxTokens.default(DEFAULT_MAX_TOKENS),
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
    const { options, output, signal, commandLine, sources, settings } = context;
    const given = await readPrompt(context);
    const opened = await openModel(context, {
      adapter: options.adapter,
      cacheType: options.cacheType,
    });
    await using model = opened.model;
    const { prompt, stop, notes } = applyFormat(given, options.format, model);
    for (const note of notes) output.note(note);
    const sampling = resolveSampling({
      ...options,
      ...(sources.seed.from === "default" ? {} : { seed: settings.seed }),
      stop: [...options.stop, ...stop],
    });
    const promptIds = model.promptIds(prompt);
    const tokens: GeneratedToken[] = [];
    const started = performance.now();
    let firstMs = 0;
    let finishReason: FinishReason = "length";
    // A model without a tokenizer says ids.
    const ids = promptIds.map((id) => `${id},`).join("");
    if (options.echo) output.stream(typeof prompt === "string" ? prompt : ids);
    for await (const token of model.generate(prompt, { ...sampling, signal })) {
      if (tokens.length === 0) firstMs = performance.now() - started;
      tokens.push(token);
      output.stream(model.hasTokenizer ? token.text : `${tokens.length > 1 ? "," : ""}${token.id}`);
      finishReason = token.finishReason ?? finishReason;
    }
    const decodeMs = performance.now() - started - firstMs;
    output.endLine();
    if (finishReason === "length") noteLimit(context, model, tokens.length);
    output.result({
      ...provenance(opened, commandLine),
      sampling: { ...sampling },
      prompt: typeof prompt === "string" ? prompt : null,
      promptIds,
      text: tokens.map(({ text }) => text).join(""),
      tokens: tokens.map(({ id, text, logprob, top }) => ({
        id,
        text,
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

/** A text that ended before its time is not passed over in silence, unless the limit was just typed. */
function noteLimit(
  { options, output }: { options: { maxTokens: number }; output: CommandContext["output"] },
  { contextLength }: LanguageModel,
  count: number,
): void {
  if (count < options.maxTokens)
    output.note(`ended where the context of ${contextLength} tokens is full`);
  else if (count === DEFAULT_MAX_TOKENS)
    output.note(`ended after ${count} tokens; --max-tokens sets another limit`);
}

/** What the model reads, and what ends its answer. Ids are taken as they are: they have no format. */
function applyFormat(
  given: Prompt,
  format: PromptFormat,
  model: LanguageModel,
): Omit<FormattedPrompt, "prompt"> & { prompt: Prompt } {
  if (typeof given === "string") {
    const { tokenizer } = model;
    return formatPrompt(given, format, { tokenizer });
  }
  if (format === "text") return { prompt: given, stop: [], notes: [] };
  throw new LabError("bad_input", `--format ${format} is for texts, and --tokens gives ids`, {
    hint: "Leave one of them out.",
  });
}

/** The prompt from the argument, from `--tokens` or from stdin. */
async function readPrompt({
  args,
  options,
  stdin,
  signal,
}: Pick<CommandContext, "stdin" | "signal"> & {
  args: { prompt?: string | undefined };
  options: { tokens?: number[] | undefined };
}): Promise<Prompt> {
  if (options.tokens === undefined) return args.prompt ?? readStdin(stdin, signal);
  if (args.prompt === undefined) return options.tokens;
  throw new LabError("bad_input", "both a text and --tokens were given", {
    hint: "Give one of them.",
  });
}

const NO_PROMPT_HINT = 'Give it in quotes: philab run "def add(a, b):"';

async function readStdin(stdin: CommandContext["stdin"], signal: AbortSignal): Promise<string> {
  if (stdin.isTTY) throw new LabError("bad_input", "no prompt was given", { hint: NO_PROMPT_HINT });
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(LabError.from(signal.reason)), { once: true });
  });
  const text = await Promise.race([readAll(stdin), aborted]);
  if (text === "")
    throw new LabError("bad_input", "no prompt was given, and stdin is empty", {
      hint: NO_PROMPT_HINT,
    });
  return text.replace(/\r?\n$/, "");
}

async function readAll(stdin: CommandContext["stdin"]): Promise<string> {
  let text = "";
  stdin.setEncoding("utf8");
  for await (const piece of stdin) text += String(piece);
  return text;
}
