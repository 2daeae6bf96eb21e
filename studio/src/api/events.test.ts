import fc from "fast-check";
import { expect, it } from "vitest";
import { readEvents } from "./events.ts";

/** A response whose body comes in these pieces. */
function responseOf(pieces: readonly Uint8Array[]): {
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
} {
  return {
    body: new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(Uint8Array.from(piece));
        controller.close();
      },
    }),
  };
}

it("reads events however the bytes are cut, also inside a character", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.json({ stringUnit: "grapheme" })),
      fc.integer({ min: 1, max: 7 }),
      async (events, size) => {
        const text = events.map((event) => `: working\n\ndata: ${event}\n\n`).join("");
        const bytes = new TextEncoder().encode(text);
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
        const found: string[] = [];
        for await (const event of readEvents(responseOf(pieces))) found.push(event);
        expect(found).toEqual(events);
      },
    ),
    { numRuns: 40 },
  );
});

it("stops the stream when nobody reads on", async () => {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
    cancel: () => void (isCancelled = true),
  });
  for await (const event of readEvents({ body })) {
    expect(event).toBe("1");
    break;
  }
  expect(isCancelled).toBe(true);
});
