/**
 * Words as spaCy's English tokenizer cuts them, which is what datatrove counts by: white space separates; punctuation,
 * quotes and currency come off both ends, units off numbers; hyphens, commas and slashes between letters split; contractions
 * are two words. Some of spaCy's special cases (spelt-out slang, emoticons) are left out; how often that matters is
 * measured in `clean.test.ts`.
 */

const QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧";
const PUNCTUATION = "…,:;!?¿؟¡()\\[\\]{}<>_#*&。？！，、；：～·।،۔؛٪";
const CURRENCY = "$£€¥฿₽﷼₴₠-₿";
const UNITS =
  "km[²³]?|dm[²³]?|cm[²³]?|mm[²³]?|m[²³]?|ha|µm|nm|yd|in|ft|kg|mg|µg|g|lb|oz|m/s|km/h|kmh|mph|hPa|Pa|mbar|mb|MB|kb|KB|gb|GB|tb|TB|t|T|G|M|K|%";

const PREFIX = new RegExp(
  `^(?:[§%=—–]|\\+(?![0-9])|\\.\\.+|(?:US|C|A)?\\$|[${PUNCTUATION}${QUOTES}${CURRENCY}]|\\p{So})`,
  "u",
);
const SUFFIX = new RegExp(
  `(?:['’][sS]|[—–]|\\.\\.+|[${PUNCTUATION}${QUOTES}]|\\p{So}|(?<=[0-9])\\+|(?<=°[FfCcKk])\\.|(?<=[0-9])(?:US\\$|C\\$|A\\$|[${CURRENCY}])|(?<=[0-9])(?:${UNITS})|(?<=[0-9\\p{Ll}\\p{Lo}%²\\-+${PUNCTUATION}${QUOTES}])\\.|(?<=[\\p{Lu}\\p{Lo}]{2})\\.)$`,
  "u",
);
const INFIX = new RegExp(
  `\\.\\.+|…|\\p{So}|(?<=[0-9])[+\\-*^](?=[0-9-])|(?<=[\\p{Ll}\\p{Lo}${QUOTES}])\\.(?=[\\p{Lu}\\p{Lo}${QUOTES}])|(?<=\\p{L}),(?=\\p{L})|(?<=[\\p{L}0-9])(?:——|---?|[-–—~])(?=\\p{L})|(?<=[\\p{L}0-9])[:<>=/](?=\\p{L})`,
  "gu",
);
const URL =
  /^(?:[a-z][a-z0-9+.-]*:\/\/\S+|(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|dev|de|uk|info|co)(?:[/:?]\S*)?|[\w.+-]+@[\w-]+\.[\w.]+)$/i;

const CONTRACTION =
  /^(?:(ca|could|do|does|did|had|may|might|must|need|ought|sha|should|wo|would|ai|are|is|was|were|have|has|dare)(n['’]t)|((?:i|you|he|she|it|we|they|who|what|when|where|why|how|there|that|this|these|those|not|could|might|must|should|would|let))(['’](?:ll|d|ve|re|m|s))|(can)(not)|(gon)(na)|(got)(ta)|([1-9]|1[0-2])([ap]\.?m\.?))$/i;
/** Words that keep the full stop that ends them. */
const ABBREVIATIONS = new Set(
  "Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. and/or w/o C++ 'd 'm 're 've 'll 's".split(
    " ",
  ),
);
const EMOTICON =
  /^(?:[:;=8x]['-]?[()[\]DPpOoXx/|3*>0]+|<3+|[()]['-]?[:;=8]|\^_+\^|>\.<|-_+-|o\.[oO0]|O\.O)$/;

/** Made of letters alone, and still two words. */
const JOINED = /^(?:cannot|gonna|gotta)$/i;
const STOPS = ".,;:!?)";

/** The words of a text in order; punctuation counts as words. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let start = 0;
  let letters = true;
  for (let i = 0; i <= text.length; i++) {
    const unit = i < text.length ? text.charCodeAt(i) : 0x20;
    if (isAsciiLetter(unit)) continue;
    if (!isSpace(unit)) {
      letters = false;
      continue;
    }
    if (i > start) pushChunk(text.slice(start, i), { letters, words });
    start = i + 1;
    letters = true;
  }
  return words;
}

function isAsciiLetter(unit: number): boolean {
  const small = unit | 0x20;
  return small >= 0x61 && small <= 0x7a;
}

const RARE_SPACE = /[\s\x1c-\x1f\x85]/;

function isSpace(unit: number): boolean {
  if (unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)) return true;
  if (unit < 0x1c || (unit > 0x20 && unit < 0x85)) return false;
  return RARE_SPACE.test(String.fromCharCode(unit));
}

function pushChunk(chunk: string, { letters, words }: { letters: boolean; words: string[] }): void {
  if (letters && (chunk.length < 5 || !JOINED.test(chunk))) {
    words.push(chunk);
    return;
  }
  if (!letters && endsPlainly(chunk) && !ABBREVIATIONS.has(chunk)) {
    pushChunk(chunk.slice(0, -1), { letters: true, words });
    words.push(chunk.slice(-1));
    return;
  }
  pushMixed(chunk, words);
}

/** Whether a chunk is letters, the last of them small, and one stop: what most chunks are that are not just letters. */
function endsPlainly(chunk: string): boolean {
  const last = chunk.length - 1;
  if (last < 1 || !STOPS.includes(chunk.charAt(last)) || chunk.charCodeAt(last - 1) < 0x61)
    return false;
  for (let i = 0; i < last; i++) if (!isAsciiLetter(chunk.charCodeAt(i))) return false;
  return true;
}

/** Takes prefixes and suffixes off until a special case is left, or nothing more comes off; then splits inside. */
function pushMixed(chunk: string, words: string[]): void {
  const suffixes: string[] = [];
  let rest = chunk;
  while (rest !== "" && !isSpecial(rest)) {
    const [prefix = ""] = PREFIX.exec(rest) ?? [];
    if (prefix !== "" && isSpecial(rest.slice(prefix.length))) {
      words.push(prefix);
      rest = rest.slice(prefix.length);
      break;
    }
    const [suffix = ""] = SUFFIX.exec(rest) ?? [];
    if (suffix !== "" && isSpecial(rest.slice(0, -suffix.length))) {
      suffixes.push(suffix);
      rest = rest.slice(0, -suffix.length);
      break;
    }
    if (prefix === "" && suffix === "") break;
    if (prefix !== "" && suffix !== "" && prefix.length + suffix.length <= rest.length) {
      words.push(prefix);
      suffixes.push(suffix);
      rest = rest.slice(prefix.length, rest.length - suffix.length);
    } else if (prefix !== "") {
      words.push(prefix);
      rest = rest.slice(prefix.length);
    } else {
      suffixes.push(suffix);
      rest = rest.slice(0, -suffix.length);
    }
  }
  if (rest !== "") pushRest(rest, words);
  words.push(...suffixes.reverse());
}

function isSpecial(word: string): boolean {
  return ABBREVIATIONS.has(word) || CONTRACTION.test(word) || EMOTICON.test(word);
}

function pushRest(rest: string, words: string[]): void {
  if (ABBREVIATIONS.has(rest) || EMOTICON.test(rest) || URL.test(rest)) {
    words.push(rest);
    return;
  }
  const contraction = CONTRACTION.exec(rest);
  if (contraction !== null) {
    words.push(...contraction.slice(1).filter((part) => part !== undefined));
    return;
  }
  let start = 0;
  for (const { 0: infix, index } of rest.matchAll(INFIX)) {
    if (index > start) words.push(rest.slice(start, index));
    words.push(infix);
    start = index + infix.length;
  }
  if (start < rest.length) words.push(rest.slice(start));
}

const SENTENCE_END = /^[!.?։؟۔।॥。！．？｡‼‽⁇⁈⁉﹒﹖﹗]$/u;
const IS_PUNCTUATION = /^\p{P}+$/u;

/** How many sentences a text has, by spaCy's sentencizer: one begins at the first word after `.`, `!` or `?`. */
export function countSentences(text: string): number {
  let count = 1;
  let seenEnd = false;
  for (const word of splitWords(text)) {
    const isEnd = SENTENCE_END.test(word);
    if (seenEnd && !isEnd && !IS_PUNCTUATION.test(word)) {
      count++;
      seenEnd = false;
    } else if (isEnd) seenEnd = true;
  }
  return count;
}
