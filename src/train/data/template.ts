/**
 * Examples as the text that the model is trained on, cut into what it is given and what it is to learn. Prompts are made
 * by the functions that generation uses, so the model sees in training what it will see in use:
 *
 * - A prompt is what `formatPrompt` and `chatPrompt` give, and is tokenised alone, as generation has to.
 * - In `qa` and `chat` an answer follows the colon after one space, without white space around it, which is how
 *   `chatPrompt` writes earlier answers. In `text` and `code` it stands as it is, after the newlines that `codePrompt` may
 *   have taken off the prompt.
 * - The last answer ends with the end token. An answer that the user replies to ends with what comes before the reply,
 *   `\nAlice:`, at which generation stops as well; there is no end token in the middle of a conversation, since prompts
 *   have none.
 */
import { invariant } from "../../base/errors.ts";
import {
  chatPrompt,
  DEFAULT_SPEAKERS,
  formatPrompt,
  type ChatTurn,
  type FormatOptions,
  type PromptFormat,
  type Speakers,
} from "../../generate/prompt.ts";
import { RowProblem } from "./bad-rows.ts";
import type { Example } from "./forms.ts";

/**
 * - `document`: text that is learned from its first token
 * - `prompt`: what the model is given
 * - `answer`: what it is to say
 * - `end`: what tells that an answer is over
 */
export type PartRole = "document" | "prompt" | "answer" | "end";

/** A stretch of an example's text; the end token is written `undefined`. */
export interface Part {
  role: PartRole;
  text: string | undefined;
  /** Whether its tokens are to be learned. */
  learned: boolean;
}

export interface TemplateOptions extends FormatOptions {
  /** Instead of the format that goes with the row's form. */
  format?: PromptFormat | undefined;
  /** Names in the format `chat`. */
  speakers?: Speakers | undefined;
  /** Learn the last answer only. Default false: every answer. */
  maskHistory?: boolean | undefined;
  /** Learn prompts as well. Default false. */
  trainOnPrompts?: boolean | undefined;
}

/** The sequences of an example: one, or for a preference the chosen and the rejected one. Throws `RowProblem`. */
export function renderExample(example: Example, options: TemplateOptions = {}): Part[][] {
  const sequences = render(example, options);
  if (options.trainOnPrompts !== true) return sequences;
  return sequences.map((parts) => parts.map((part) => ({ ...part, learned: true })));
}

function render(example: Example, options: TemplateOptions): Part[][] {
  if (example.kind === "text") {
    const text: Part = { role: "document", text: example.text, learned: true };
    return [[text, END]];
  }
  const format = options.format ?? example.format;
  if (example.kind === "preference") {
    const learnFrom = example.turns.length;
    return [example.chosen, example.rejected].map((text) =>
      renderTurns([...example.turns, { role: "assistant", text }], {
        ...options,
        format,
        learnFrom,
      }),
    );
  }
  const { turns } = example;
  const learnFrom = options.maskHistory === true ? turns.length - 1 : example.learnFrom;
  return [renderTurns(turns, { ...options, format, learnFrom })];
}

const END: Part = { role: "end", text: undefined, learned: true };

type TurnOptions = TemplateOptions & { format: PromptFormat; learnFrom: number };

function renderTurns(turns: readonly ChatTurn[], options: TurnOptions): Part[] {
  return options.format === "chat" ? renderChat(turns, options) : renderSingle(turns, options);
}

function renderSingle(turns: readonly ChatTurn[], { format, ...options }: TurnOptions): Part[] {
  const [question, answer] = turns;
  if (turns.length !== 2 || question?.role !== "user" || answer === undefined)
    throw new RowProblem(
      `the format ${format} holds one question and its answer, and this has ${turns.length} turns; use the format chat`,
    );
  const { prompt } = formatPrompt(question.text, format, options);
  // Newlines that `codePrompt` takes off a prompt are the model's to write.
  const moved = format === "code" ? question.text.slice(prompt.length) : "";
  const text = format === "qa" ? ` ${answer.text.trim()}` : moved + answer.text;
  return [
    { role: "prompt", text: prompt, learned: false },
    { role: "answer", text, learned: true },
    END,
  ];
}

function renderChat(
  turns: readonly ChatTurn[],
  { speakers = DEFAULT_SPEAKERS, learnFrom }: TurnOptions,
): Part[] {
  const parts: Part[] = [];
  let written = "";
  const write = (text: string, part: Omit<Part, "text">): void => {
    parts.push({ ...part, text });
    written += text;
  };
  const replyMark = `\n${speakers.user}:`;
  turns.forEach(({ role, text }, i) => {
    if (role !== "assistant") return;
    const learned = i >= learnFrom;
    const { prompt } = chatPrompt(turns.slice(0, i), speakers);
    invariant(prompt.startsWith(written), "a conversation continues its prompts");
    const given = prompt.slice(written.length);
    if (parts.length === 0) write(given, { role: "prompt", learned: false });
    else {
      invariant(given.startsWith(replyMark), "a reply begins with the user's name");
      const before = parts.at(-1)?.learned === true;
      write(replyMark, { role: "end", learned: before });
      write(given.slice(replyMark.length), { role: "prompt", learned: false });
    }
    write(` ${text.trim()}`, { role: "answer", learned });
  });
  return [...parts, END];
}
