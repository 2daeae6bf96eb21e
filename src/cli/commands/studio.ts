/** `philab studio`: the laboratory in a browser. */
import { spawn } from "node:child_process";
import { z } from "zod";
import { readPages, STUDIO_PATH } from "../../server/studio/pages.ts";
import { defineCommand } from "../command.ts";
import { SERVING_ARGUMENTS, SERVING_OPTIONS, startServing, untilAborted } from "../serving.ts";

export const command = defineCommand({
  description:
    "Serves as `philab serve` does, with pages on top, and opens them. Whatever the pages do, they do through /v1 and /v1/lab: a script can do the same, and each view shows how. Where PHILAB_API_KEY is set, the page asks for the key.",
  arguments: SERVING_ARGUMENTS,
  options: {
    ...SERVING_OPTIONS,
    open: z.boolean().default(true).describe("open the page in the browser"),
  },
  examples: [
    { command: "philab studio", does: "the laboratory with the bundled model" },
    {
      command: "philab studio phi-2:q4_k_m --no-open --port 8080",
      does: "a model of the store; the address is printed",
    },
  ],
  async run({ options: { open, ...options }, ...context }) {
    const { output, signal } = context;
    const pages = await readPages();
    const { server, ids } = await startServing({ ...context, options }, { pages });
    await using _ = server;
    const url = `${server.url}${STUDIO_PATH}`;
    output.result({ url, models: ids }, () => `the studio is at ${url}`);
    if (open) openBrowser(url, () => output.note("no browser could be started: open the address"));
    await untilAborted(signal);
  },
});

/** Opens an address as the person's system does. */
function openBrowser(url: string, onFail: () => void): void {
  const [program = "", ...args] =
    process.platform === "darwin"
      ? ["open", url]
      : process.platform === "win32"
        ? ["rundll32", "url.dll,FileProtocolHandler", url]
        : ["xdg-open", url];
  const child = spawn(program, args, { detached: true, stdio: "ignore" });
  child.once("error", onFail);
  child.once("exit", (code) => {
    if (code !== 0) onFail();
  });
  child.unref();
}
