/**
 * The prompt formats of the Phi model cards. Phi models are base models: they continue a text, and after the answer
 * they go on with the next question, turn or function. Each format therefore comes with the texts that end an answer.
 * The formats have no way to quote: a text that contains a marker, such as a line that begins with `Bob:`, reads as one.
 */
import { LabError } from "../base/errors.ts";
import type { Tokenizer } from "../tokenizer/index.ts";

/**
 * - `text`: the text as it is
 * - `code`: the text as it is, less newlines at the end; ends where the next top-level statement begins
 * - `qa`: `Instruct: …\nOutput:`
 * - `chat`: `Alice: …\nBob:`
 */
export const PROMPT_FORMATS = ["text", "code", "qa", "chat"] as const;
export type PromptFormat = (typeof PROMPT_FORMATS)[number];

export interface FormattedPrompt {
  /** What the model reads. */
  prompt: string;
  /** Texts that end the answer; they are no part of it. */
  stop: readonly string[];
  /** What was changed in the given text and why, for people. */
  notes: readonly string[];
}

export interface ChatTurn {
  /** `system` is a text before the conversation, only as the first turn; the cards have none. */
  role: "system" | "user" | "assistant";
  text: string;
}

/** The names that begin the lines of a conversation. */
export interface Speakers {
  user: string;
  assistant: string;
}

/** The names of Phi-2's card. */
export const DEFAULT_SPEAKERS: Speakers = { user: "Alice", assistant: "Bob" };

const QA_LABELS: Speakers = { user: "Instruct", assistant: "Output" };

/**
 * Top-level Python that follows a finished function: where Codex's evaluation stops (Chen et al. 2021, arXiv 2107.03374).
 */
const CODE_STOPS = ["\nclass", "\ndef", "\n#", "\nif", "\nprint"];

export interface FormatOptions {
  /** The model's tokenizer; decides whether `code` must lose newlines at its end. Without it they are removed. */
  tokenizer?: Pick<Tokenizer, "encode" | "tokenBytes">;
}

/** A text in one of the formats, as the first question or the first turn. */
export function formatPrompt(
  text: string,
  format: PromptFormat,
  options: FormatOptions = {},
): FormattedPrompt {
  switch (format) {
    case "text":
      return { prompt: text, stop: [], notes: [] };
    case "code":
      return codePrompt(text, options);
    case "qa":
      return qaPrompt(text);
    case "chat":
      return chatPrompt([{ role: "user", text }]);
  }
}

/**
 * Code to complete, as in the cards: it ends without a newline, the model begins with it. Where the tokenizer has
 * tokens of a newline with indentation (phi-micro's has, Phi-2's has not), a newline at the end would be another token
 * than the model has ever seen before an indented line, so it is removed, and `notes` says so.
 */
export function codePrompt(code: string, { tokenizer }: FormatOptions = {}): FormattedPrompt {
  const stripped = code.replace(/[\r\n]+$/, "");
  const strip =
    stripped !== code && (tokenizer === undefined || mergesNewlineWithIndentation(tokenizer));
  return {
    prompt: strip ? stripped : code,
    stop: CODE_STOPS,
    notes: strip
      ? [
          "The newline at the end of the code was left out: the model joins a newline with the indentation that follows, and continues best when it writes both.",
        ]
      : [],
  };
}

/** Whether a newline and the indentation after it can be one token. */
function mergesNewlineWithIndentation(
  tokenizer: Pick<Tokenizer, "encode" | "tokenBytes">,
): boolean {
  const [newline, space] = [0x0a, 0x20];
  return tokenizer.encode(":\n    return").some((id) => {
    const bytes = tokenizer.tokenBytes(id);
    return bytes.includes(newline) && bytes.includes(space);
  });
}

/** A question or an instruction; white space around it is left out. */
export function qaPrompt(instruction: string): FormattedPrompt {
  const { prompt, notes } = chatPrompt([{ role: "user", text: instruction }], QA_LABELS);
  return { prompt, stop: [`\n${QA_LABELS.user}:`], notes }; // answers about programs do have lines with "Output:"
}

/**
 * A conversation so far, up to the assistant's next turn; white space around the texts is left out.
 * Throws `bad_input` unless the last turn is the user's, a `system` text comes first only, and the names can be told apart.
 */
export function chatPrompt(
  turns: readonly ChatTurn[],
  speakers: Speakers = DEFAULT_SPEAKERS,
): FormattedPrompt {
  checkSpeakers(speakers);
  const last = turns.at(-1)?.role;
  if (last !== "user")
    throw new LabError(
      "bad_input",
      `the conversation ${last === undefined ? "has no turns" : `ends with a turn of the ${last}`}`,
      { hint: "End it with the user's turn; the answer to it is what the model writes." },
    );
  const lines = turns.map(({ role, text }, i) => {
    if (role !== "system") return `${speakers[role]}: ${text.trim()}`;
    if (i === 0) return text.trim();
    throw new LabError("bad_input", `turn ${i + 1} of the conversation is a system text`, {
      hint: "Put it before the first turn.",
    });
  });
  return {
    prompt: [...lines, `${speakers.assistant}:`].join("\n"),
    // A model that was trained on questions may leave the conversation for one.
    stop: [speakers.user, speakers.assistant, QA_LABELS.user].map((name) => `\n${name}:`),
    notes: [],
  };
}

function checkSpeakers({ user, assistant }: Speakers): void {
  for (const name of [user, assistant])
    if (name.trim() !== name || !/^[^\n\r:]+$/.test(name))
      throw new LabError(
        "bad_input",
        `${JSON.stringify(name)} cannot be a name in a conversation`,
        { hint: "A name is one line without a colon or white space around it." },
      );
  if (user === assistant)
    throw new LabError("bad_input", `both sides of the conversation are named ${user}`);
}
