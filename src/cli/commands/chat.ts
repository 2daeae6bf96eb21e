/** `philab chat`: a conversation in the terminal. */
import { createInterface } from "node:readline/promises";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { chatPrompt, DEFAULT_SPEAKERS, type ChatTurn } from "../../generate/prompt.ts";
import { SAMPLING_SCHEMAS, resolveSampling } from "../../generate/sampling-options.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

const COMMANDS =
  "/reset starts anew, /undo takes the last exchange back, /quit ends; Ctrl-C stops an answer.";

export const command = defineCommand({
  description: `Phi's chat format (Alice and Bob). The conversation so far is the prompt; what has been read stays in the cache. ${COMMANDS}`,
  options: {
    ...flags("model", "adapter", "mode", "device", "threads"),
    ...SAMPLING_SCHEMAS,
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
    const opened = await openModel(context);
    await using model = opened.model;
    const speakers = { user: options.user, assistant: options.assistant };
    const seed = sources.seed.from === "default" ? {} : { seed: settings.seed };
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
        const { prompt, stop } = chatPrompt([...turns, { role: "user", text }], speakers);
        assertRoom(model, prompt);
        output.stream(`${speakers.assistant}:`);
        const sampling = resolveSampling({
          ...options,
          ...seed,
          maxTokens: options.maxTokens ?? 256,
          stop: [...options.stop, ...stop],
        });
        let answer = "";
        answering = new AbortController();
        try {
          const stopAnswer = AbortSignal.any([signal, answering.signal]);
          const options = { ...sampling, reuse: "longest", signal: stopAnswer } as const;
          for await (const token of model.generate(prompt, options)) {
            answer += token.text;
            output.stream(token.text);
          }
        } catch (error) {
          if (signal.aborted || !answering.signal.aborted) throw error;
        } finally {
          answering = undefined;
        }
        output.stream("\n");
        turns.push({ role: "user", text }, { role: "assistant", text: answer.trim() });
      }
      if (interactive) terminal.prompt();
    }
    if (signal.aborted) throw new LabError("interrupted", "the conversation was interrupted");
    output.result({
      ...provenance(opened, commandLine),
      turns: turns.map((turn) => ({ ...turn })),
    });
  },
});

/** A conversation outgrows the context at some point; nothing of it is dropped without a word. */
function assertRoom(model: LanguageModel, prompt: string): void {
  const length = model.promptIds(prompt).length;
  if (length >= model.contextLength)
    throw new LabError(
      "too_long",
      `the conversation has ${length} tokens; the context holds ${model.contextLength}`,
      { hint: "/undo takes the last exchange back, /reset starts anew." },
    );
}
