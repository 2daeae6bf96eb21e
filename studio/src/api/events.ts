/** Server-sent events of a response (`EventSource` cannot POST). */

/** The data of each event. Lines may be cut anywhere, also inside a character. */
export async function* readEvents({
  body,
}: Pick<Response, "body">): AsyncGenerator<string, void, undefined> {
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const parts = text.split(/\r?\n\r?\n/);
      text = parts.pop() ?? "";
      for (const part of parts) {
        const lines = part.split(/\r?\n/).filter((line) => line.startsWith("data:"));
        if (lines.length > 0) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
      }
    }
  } finally {
    // Whoever stops reading stops the server's work.
    await reader.cancel().catch(() => undefined);
  }
}
