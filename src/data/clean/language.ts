/** The language of a text, by its letters and how they follow each other (`eld`, 60 languages). */

/** Enough of a text to know its language. */
const SAMPLE_LENGTH = 1_000;

export interface TextLanguage {
  /** ISO 639-1, such as `en`; null where it cannot be told. */
  language: string | null;
  /** How well it fits, 0 to 1. Below 0.5 a text is usually a list of names, of numbers, or of several languages. */
  score: number;
}

export type LanguageDetector = (text: string) => TextLanguage;

/** Reads the statistics of all languages. The detector looks at the middle of long texts: they often begin with names. */
export async function openLanguageDetector(): Promise<LanguageDetector> {
  const { eld } = await import("eld/small");
  return (text) => {
    const start = Math.max(0, Math.floor((text.length - SAMPLE_LENGTH) / 2));
    const found = eld.detect(text.slice(start, start + SAMPLE_LENGTH));
    if (found.language === "") return { language: null, score: 0 };
    return { language: found.language, score: found.getScores()[found.language] ?? 0 };
  };
}
