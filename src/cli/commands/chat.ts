/** `philab chat`: a conversation in the terminal. */
import { createInterface } from "node:readline/promises";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import type { FinishReason } from "../../generate/generate.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { chatPrompt, DEFAULT_SPEAKERS, type ChatTurn } from "../../generate/prompt.ts";
import {
  resolveSampling,
  SAMPLING_SCHEMAS,
  type SamplingSettings,
} from "../../generate/sampling-options.ts";
import { defineCommand } from "../command.ts";
import { DEFAULT_MAX_TOKENS, FLAGS, flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";
import type { Output } from "../output.ts";

const COMMANDS =
  "/reset starts anew, /undo takes the last exchange back, /quit ends; Ctrl-C stops an answer.";

export const command = defineCommand({
  description: `Phi's chat format (Alice and Bob). The conversation so far is the prompt; what has been read stays in the cache. ${COMMANDS}`,
  options: {
    ...flags("model", "adapter", "mode", "device", "threads"),
    ...SAMPLING_SCHEMAS,
    maxTokens: FLAGS.maxTokens.default(DEFAULT_MAX_TOKENS),
    user: z
      .string()
      .min(1)
      .default(DEFAULT_SPEAKERS.user)
      .describe("your name in the conversation"),
    assistant: z.string().min(1).default(DEFAULT_SPEAKERS.assistant).describe("the model's name"),
  },
  examples: [
    { command: "philab chat", does: "talk with the bundled model" },
    {
      command: "echo 'Which is larger, 4 or 9?' | philab chat",
      does: "one question from a script",
    },
  ],
  async run(context) {
    const { options, output, signal, stdin, commandLine, sources, settings } = context;
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    if (!model.hasTokenizer)
      throw new LabError("unsupported", `${model.path} has no tokenizer to talk with`, {
        hint: "philab run --tokens 1,2,3 continues token ids.",
      });
    const speakers = { user: options.user, assistant: options.assistant };
    const sampling = resolveSampling({
      ...options,
      ...(sources.seed.from === "default" ? {} : { seed: settings.seed }),
    });
    const turns: ChatTurn[] = [];
    const interactive = stdin.isTTY === true;
    if (interactive) output.note(`${opened.reference.name}. ${COMMANDS}`);
    const terminal = createInterface({
      input: stdin,
      ...(interactive ? { output: process.stderr } : {}),
    });
    signal.addEventListener("abort", () => terminal.close(), { once: true });
    // A terminal gives Ctrl-C to readline: it ends an answer, or the conversation where none is being given.
    let answering: AbortController | undefined;
    terminal.on("SIGINT", () => {
      if (answering === undefined) terminal.close();
      else answering.abort();
    });
    terminal.setPrompt(`${speakers.user}: `);
    if (interactive) terminal.prompt();
    for await (const line of terminal) {
      const text = line.trim();
      if (text === "/quit") break;
      if (text === "/reset") turns.length = 0;
      else if (text === "/undo") turns.splice(-2);
      else if (text !== "") {
        const asked: ChatTurn = { role: "user", text };
        const { prompt, stop } = chatPrompt([...turns, asked], speakers);
        answering = new AbortController();
        if (hasRoom(model, prompt, { interactive, output })) {
          output.stream(`${speakers.assistant}:`);
          const answer = await speak(model, prompt, {
            sampling: { ...sampling, stop: [...sampling.stop, ...stop] },
            output,
            signal,
            stopped: answering.signal,
          });
          turns.push(asked, { role: "assistant", text: answer });
        }
        answering = undefined;
      }
      if (interactive) terminal.prompt();
    }
    if (signal.aborted) throw new LabError("interrupted", "the conversation was interrupted");
    output.result({
      ...provenance(opened, commandLine),
      sampling: { ...sampling },
      turns: turns.map((turn) => ({ ...turn })),
    });
  },
});

/** Says the answer as it is made, and returns it; where `stopped` fires, what was said by then is the answer. */
async function speak(
  model: LanguageModel,
  prompt: string,
  {
    sampling,
    output,
    signal,
    stopped,
  }: { sampling: SamplingSettings; output: Output; signal: AbortSignal; stopped: AbortSignal },
): Promise<string> {
  let answer = "";
  let finishReason: FinishReason | undefined;
  const options = {
    ...sampling,
    reuse: "longest",
    signal: AbortSignal.any([signal, stopped]),
  } as const;
  try {
    for await (const token of model.generate(prompt, options)) {
      answer += token.text;
      finishReason = token.finishReason;
      output.stream(token.text);
    }
  } catch (error) {
    if (signal.aborted || !stopped.aborted) throw error;
  }
  output.endLine();
  if (finishReason === "length")
    output.note("the answer was cut: --max-tokens sets its length, /reset empties the context");
  return answer.trim();
}

/** A conversation outgrows the context at some point; nothing of it is dropped without a word. */
function hasRoom(
  model: LanguageModel,
  prompt: string,
  { interactive, output }: { interactive: boolean; output: Output },
): boolean {
  const length = model.promptIds(prompt).length;
  if (length < model.contextLength) return true;
  const problem = `the conversation has ${length} tokens; the context holds ${model.contextLength}`;
  const hint = "/undo takes the last exchange back, /reset starts anew.";
  if (!interactive) throw new LabError("too_long", problem, { hint });
  output.warn(`${problem}. ${hint}`);
  return false;
}
