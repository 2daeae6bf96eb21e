/** An example token by token with what is learned of it: wrong masks are the most common fault of fine-tuning. */
import { visibleLine, type Colors } from "../../base/terminal.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { encodeParts } from "./encode.ts";
import type { Example } from "./forms.ts";
import type { TokenStore } from "./token-store.ts";
import { renderExample, type PartRole, type TemplateOptions } from "./template.ts";

export interface LearnedToken {
  /** As people read it; bytes that are no text as ⟨C3⟩. */
  text: string;
  /** Whether the loss counts how well it is predicted. */
  learned: boolean;
}

export interface PreviewToken extends LearnedToken {
  id: number;
  role: PartRole;
}

/** The tokens of an example's sequences: one, or the chosen and the rejected one. Throws as `renderExample`. */
export function previewExample(
  example: Example,
  tokenizer: Tokenizer,
  options: TemplateOptions = {},
): PreviewToken[][] {
  return renderExample(example, { ...options, tokenizer }).map((parts) => {
    const { ids, learned, lengths } = encodeParts(parts, tokenizer);
    const roles = parts.flatMap(({ role }, i) =>
      Array.from({ length: lengths[i] ?? 0 }, (): PartRole => role),
    );
    return ids.map((id, i) => ({
      id,
      text: tokenizer.tokenText(id),
      role: roles[i] ?? "prompt",
      learned: learned[i] === 1,
    }));
  });
}

/** The tokens of a sequence that was loaded: what training will see. */
export function previewSequence(
  store: TokenStore,
  sequence: number,
  tokenizer: Tokenizer,
): LearnedToken[] {
  const start = store.start(sequence);
  return Array.from({ length: store.length(sequence) }, (_, i) => ({
    text: tokenizer.tokenText(store.id(start + i)),
    learned: store.isLearned(start + i),
  }));
}

/**
 * The tokens as one text, `|` between them; what is learned is coloured, and stands in ⟦ ⟧ besides, for eyes and
 * terminals without colours.
 */
export function formatPreview(tokens: readonly LearnedToken[], colors?: Colors): string {
  const stretches: { learned: boolean; texts: string[] }[] = [];
  for (const { text, learned } of tokens) {
    const last = stretches.at(-1);
    if (last?.learned === learned) last.texts.push(visibleLine(text));
    else stretches.push({ learned, texts: [visibleLine(text)] });
  }
  return stretches
    .map(({ learned, texts }) => {
      const text = texts.join("|");
      const marked = learned ? `⟦${text}⟧` : text;
      return (learned ? colors?.green(marked) : colors?.dim(marked)) ?? marked;
    })
    .join("");
}
