/** The server's key, where it has one: kept for this tab only, and sent to this origin only. */
const NAME = "philab.key";

export function apiKey(): string | undefined {
  return sessionStorage.getItem(NAME) ?? undefined;
}

export function setApiKey(key: string): void {
  sessionStorage.setItem(NAME, key.trim());
}
