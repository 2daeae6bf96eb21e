/**
 * The process of one model: opens it, and answers calls until the server goes away. What goes wrong in native code ends this
 * process and no other.
 */
import { LabError } from "../../base/errors.ts";
import { openReference } from "../../open.ts";
import { ModelHost } from "./model-host.ts";
import { OPERATIONS } from "./operations.ts";
import type { FromWorker, OperationName, ToWorker, WorkerSettings } from "./protocol.ts";

const calls = new Map<number, AbortController>();
let host: ModelHost | undefined;
/** While calls are under way. */
let telling: NodeJS.Timeout | undefined;
const TELL_EVERY_MS = 250;
/** Messages of one turn of the event loop travel together. */
let outgoing: FromWorker[] = [];

function send(message: FromWorker): void {
  if (outgoing.push(message) > 1) return;
  setImmediate(() => {
    const messages = outgoing;
    outgoing = [];
    process.send?.(messages);
  });
}

async function open(settings: WorkerSettings): Promise<void> {
  try {
    const { reference, mode, device, threads } = settings;
    const model = await openReference(
      // Adapters are named by calls.
      reference,
      { mode, device, ...(threads === undefined ? {} : { threads }) },
    );
    host = new ModelHost(model, settings);
    send({ kind: "ready", facts: host.facts });
    tell();
  } catch (error) {
    send({ kind: "refused", error: LabError.from(error).toJSON() });
  }
}

async function answer(call: number, name: OperationName, args: unknown): Promise<void> {
  const controller = new AbortController();
  calls.set(call, controller);
  telling ??= setInterval(tell, TELL_EVERY_MS);
  try {
    if (host === undefined)
      throw new LabError("internal", "internal: a call before the model is open");
    const operation = OPERATIONS[name] as (args: unknown, context: unknown) => Promise<unknown>;
    const result = await operation(args, {
      host,
      signal: controller.signal,
      emit: (event: unknown) => send({ kind: "event", call, event }),
    });
    send({ kind: "result", call, result });
  } catch (error) {
    if (process.env["PHILAB_DEBUG"] === "1") console.error(error);
    send({ kind: "error", call, error: LabError.from(error).toJSON() });
  } finally {
    calls.delete(call);
    if (calls.size === 0) {
      clearInterval(telling);
      telling = undefined;
    }
    tell();
  }
}

/** How much is done, is in work and waits. */
function tell(): void {
  const residentBytes = process.memoryUsage.rss();
  send({ kind: "counts", counts: host?.counts ?? NOTHING, residentBytes });
}

const NOTHING = {
  ...{ promptTokens: 0, cachedTokens: 0, generatedTokens: 0, steps: 0, active: 0, waiting: 0 },
};

process.on("message", (message: ToWorker) => {
  if (message.kind === "open") void open(message.settings);
  else if (message.kind === "call") void answer(message.call, message.operation, message.args);
  else calls.get(message.call)?.abort(new LabError("interrupted", "the client went away"));
});
// Nothing here outlives the server. Ctrl-C reaches the whole group; the server ends its models itself.
process.on("disconnect", () => process.exit(0));
process.on("SIGINT", () => undefined);
