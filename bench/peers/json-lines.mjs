/** What every peer of the bench shares: answering requests line by line, checking their fields, counting memory. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

/**
 * Answers requests until "quit" or the end of stdin. `commands` maps a name to an async function of the request; its value comes
 * back as `{"result": …}`, what it throws as `{"error": "…"}`, both with the request's `id` where it has one.
 */
export async function serve(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "") continue;
    const { quit, ...reply } = await answer(commands, line);
    if (quit) return;
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

async function answer(commands, line) {
  let id;
  try {
    const request = JSON.parse(line);
    id = request.id;
    if (request.command === "quit") return { quit: true };
    if (!Object.hasOwn(commands, request.command))
      throw new Error(
        `unknown command "${request.command}": ${Object.keys(commands).join(", ")}, quit`,
      );
    return { id, result: await commands[request.command](request) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Resident memory now and at its highest. Linux counts pages of the mapped file apart from allocated ones. */
export function memory() {
  const counted = {
    rss: process.memoryUsage.rss(),
    peakRss: process.resourceUsage().maxRSS * 1024,
  };
  if (process.platform !== "linux") return counted;
  const status = readFileSync("/proc/self/status", "utf8");
  const bytes = (name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? NaN) * 1024;
  return {
    rss: bytes("VmRSS"),
    peakRss: bytes("VmHWM"),
    anonymous: bytes("RssAnon"),
    file: bytes("RssFile"),
  };
}

export function requireIntegers(values) {
  for (const [name, value] of Object.entries(values))
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`"${name}" must be a positive integer, not ${value}`);
}

export function requireTokens(ids) {
  if (
    !Array.isArray(ids) ||
    ids.length === 0 ||
    !ids.every((id) => Number.isInteger(id) && id >= 0)
  )
    throw new Error("tokens must be a list of ids, at least one");
}
