/** Server-sent events (WHATWG HTML, 9.2), as OpenAI sends them. */
import { toJson } from "../../base/json.ts";
import { errorAnswer } from "./errors.ts";

/** A comment keeps proxies and clients from giving up while a long prompt is read. */
const COMMENT_EVERY_MS = 15_000;

export interface EventSink {
  send: (value: unknown) => void;
}

/**
 * A response of events. `work` sends them; when it has ended, so does the stream, after `last` where there is one. What `work`
 * throws becomes an event with the error, since the status was sent long ago.
 *
 * @param onCancel - called when the reader goes away
 */
export function eventStream(
  work: (sink: EventSink) => Promise<void>,
  {
    last,
    onCancel,
    headers = {},
  }: {
    last?: string;
    onCancel: () => void;
    headers?: Record<string, string>;
  },
): Response {
  const encoder = new TextEncoder();
  let open = true;
  let timer: NodeJS.Timeout | undefined;
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const write = (text: string): void => {
        if (open) controller.enqueue(encoder.encode(text));
      };
      timer = setInterval(() => write(": working\n\n"), COMMENT_EVERY_MS).unref();
      // JSON has no line breaks of its own.
      const send = (value: unknown): void => write(`data: ${toJson(value)}\n\n`);
      void work({ send })
        .catch((error: unknown) => send(errorAnswer(error).body))
        .then(() => {
          clearInterval(timer);
          if (last !== undefined) write(`data: ${last}\n\n`);
          if (open) controller.close();
          open = false;
        });
      return Promise.resolve();
    },
    cancel() {
      open = false;
      clearInterval(timer);
      onCancel();
    },
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", ...headers },
  });
}
