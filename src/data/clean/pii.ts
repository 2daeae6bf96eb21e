/**
 * What names a person or opens a door, replaced: mail addresses and public IPv4 addresses as datatrove's `PIIFormatter` does
 * it, with its replacements in turn within each document, and keys of well-known forms.
 */

const LOCAL = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]+";
const OCTET = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)";
/** `\b` as Python has it, where all letters are letters. */
const BORDER = "(?:(?<![\\p{L}\\p{N}_])(?=[A-Za-z0-9_])|(?<=[\\p{L}\\p{N}_])(?![A-Za-z0-9_]))";
const MAIL = new RegExp(
  `${BORDER}${LOCAL}(?:\\.${LOCAL})*@(?:(?:[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?\\.)+[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?|\\[(?:${OCTET}\\.){3}(?:${OCTET}|[A-Za-z0-9\\-]*[A-Za-z0-9]:)\\])`,
  "gu",
);
const IPV4 = new RegExp(`(?:${OCTET}\\.){3}${OCTET}`, "g");
const KEY =
  /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?-----END (?:[A-Z]+ )*PRIVATE KEY-----|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bsk-[A-Za-z0-9]{32,}\b|\bxox[baprs]-[A-Za-z0-9-]{10,}\b/g;

const MAIL_REPLACEMENTS = ["email@example.com", "firstname.lastname@example.org"];
const IP_REPLACEMENTS = [
  ...["22.214.171.124", "126.96.36.199", "188.8.131.52"],
  ...["184.108.40.206", "220.127.116.11", "18.104.22.168"],
];

/** Networks that are nobody's on the public internet: base address and prefix length. */
const PRIVATE_NETWORKS: readonly (readonly [base: string, prefix: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 29],
  ["192.0.0.170", 31],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["240.0.0.0", 4],
];

/** The text with replacements, and how many of each kind there were. */
export function scrub(text: string): { text: string; counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  const replacer = (name: string, replacements: readonly string[]) => (): string => {
    const before = counts[name] ?? 0;
    counts[name] = before + 1;
    return replacements[before % replacements.length] ?? "";
  };
  const mail = replacer("pii_mail", MAIL_REPLACEMENTS);
  const ip = replacer("pii_ip", IP_REPLACEMENTS);
  let scrubbed = replaceMail(text, mail);
  scrubbed = scrubbed.replace(IPV4, (found) => (isPublic(found) ? ip() : found));
  scrubbed = scrubbed.replace(KEY, replacer("pii_key", ["<key>"]));
  return { text: scrubbed, counts };
}

/** Looks only at what stands around an `@` up to the next white space: long lines without one cost nothing. */
function replaceMail(text: string, replacement: () => string): string {
  const pieces: string[] = [];
  let done = 0;
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", done)) {
    let start = at;
    while (start > done && !isSpace(text.charCodeAt(start - 1))) start--;
    let end = at;
    while (end < text.length && !isSpace(text.charCodeAt(end))) end++;
    pieces.push(text.slice(done, start), text.slice(start, end).replace(MAIL, replacement));
    done = end;
  }
  return pieces.length === 0 ? text : pieces.join("") + text.slice(done);
}

function isSpace(unit: number): boolean {
  return unit <= 0x20 || unit === 0xa0;
}

function isPublic(address: string): boolean {
  const octets = address.split(".");
  // Python's ipaddress takes no leading zeros.
  if (octets.some((octet) => octet.length > 1 && octet.startsWith("0"))) return false;
  const value = asNumber(address);
  return !PRIVATE_NETWORKS.some(([base, prefix]) => {
    const size = 2 ** (32 - prefix);
    return Math.floor(value / size) === Math.floor(asNumber(base) / size);
  });
}

function asNumber(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}
