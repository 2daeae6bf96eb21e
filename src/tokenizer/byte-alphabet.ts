/**
 * GPT-2's byte alphabet: every byte is spelled as one printable character, so that vocabularies and
 * merges are ordinary text ("Ġthe" is " the"). Radford et al. 2019, `bytes_to_unicode` in encoder.py.
 */

/** Code point of the character that spells each byte. */
const CHARACTER_OF_BYTE = new Uint16Array(256);
/** The byte that a character below U+0144 spells, or -1. */
const BYTE_OF_CHARACTER = new Int16Array(0x144).fill(-1);

let nextUnprintable = 0x100;
for (let byte = 0; byte < 256; byte++) {
  const printable =
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const character = printable ? byte : nextUnprintable++;
  CHARACTER_OF_BYTE[byte] = character;
  BYTE_OF_CHARACTER[character] = byte;
}

/** The character that spells a byte. */
export function spellByte(byte: number): string {
  return String.fromCharCode(CHARACTER_OF_BYTE[byte]!);
}

/** The bytes that a vocabulary entry spells; undefined when a character is not of the alphabet. */
export function unspell(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF_CHARACTER[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
