/** An example token by token with what is learned of it: wrong masks are the most common fault of fine-tuning. */
import { visibleLine, type Colors } from "../../base/terminal.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { encodeParts } from "./encode.ts";
import type { Example } from "./forms.ts";
import { renderExample, type PartRole, type TemplateOptions } from "./template.ts";

export interface PreviewToken {
  id: number;
  /** As people read it; bytes that are no text as ⟨C3⟩. */
  text: string;
  role: PartRole;
  /** Whether the loss counts how well it is predicted. */
  learned: boolean;
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

/**
 * The tokens as one text, `|` between them; what is learned is coloured, and stands in ⟦ ⟧ besides, for eyes and
 * terminals without colours.
 */
export function formatPreview(tokens: readonly PreviewToken[], colors: Colors): string {
  const stretches: { learned: boolean; texts: string[] }[] = [];
  for (const { text, learned } of tokens) {
    const last = stretches.at(-1);
    if (last?.learned === learned) last.texts.push(visibleLine(text));
    else stretches.push({ learned, texts: [visibleLine(text)] });
  }
  return stretches
    .map(({ learned, texts }) => {
      const text = texts.join("|");
      return learned ? colors.green(`⟦${text}⟧`) : colors.dim(text);
    })
    .join("");
}
