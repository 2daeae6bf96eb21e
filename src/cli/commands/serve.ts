/** `philab serve`: an OpenAI-compatible server. */
import { defineCommand } from "../command.ts";
import { SERVING_ARGUMENTS, SERVING_OPTIONS, startServing, untilAborted } from "../serving.ts";

export const command = defineCommand({
  description:
    "Answers OpenAI's clients at /v1: completions (with echo and logprobs), chat, embeddings, models. Every model of the store can be asked for by name; each has a process of its own. Only this machine can reach it, unless --host says otherwise: then PHILAB_API_KEY must be set. docs/serving.md",
  arguments: SERVING_ARGUMENTS,
  options: SERVING_OPTIONS,
  examples: [
    { command: "philab serve", does: "the bundled model on http://127.0.0.1:8000/v1" },
    {
      command: "philab serve phi-2:q4_k_m --slots 16 --context 512",
      does: "sixteen texts at a time",
    },
  ],
  async run(context) {
    const { server, ids } = await startServing(context);
    await using _ = server;
    context.output.result(
      { url: server.url, models: ids },
      () => `listening on ${server.url}/v1 with ${ids.join(", ")}`,
    );
    await untilAborted(context.signal);
  },
});
