import { TextDecoder } from "node:util";

/** Turns a stream of tokens into text; emits whole characters only. */
export interface IncrementalDecoder {
  /** The text that this token completes: "" while a character is unfinished. */
  push(id: number): string;
  /** Ends the text: an unfinished character comes out as U+FFFD. The decoder can be used again. */
  flush(): string;
}

/** A decoder of UTF-8 that keeps a byte order mark, and gives U+FFFD for bytes that are no UTF-8 (the WHATWG rule). */
export function utf8Decoder(): TextDecoder {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}

const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Bytes for people to read: text where they are UTF-8, ⟨C3⟩ for a byte that is not. */
export function displayBytes(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes[i]!);
    const character = decodeOrUndefined(bytes.subarray(i, i + length));
    text += character ?? `⟨${bytes[i]!.toString(16).toUpperCase().padStart(2, "0")}⟩`;
    i += character === undefined ? 1 : length;
  }
  return text;
}

/** How many bytes a character has that begins with this byte. */
function sequenceLength(lead: number): number {
  if (lead < 0xc0) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

function decodeOrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}
