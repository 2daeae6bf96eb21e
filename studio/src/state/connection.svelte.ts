/** Whether the server answers, and what its models do. It may stop and come back: views go on without a reload. */
import { getJson, onOutcome } from "../api/client.ts";
import { Failure } from "../api/failure.ts";

export type ConnectionState = "connecting" | "online" | "loading" | "offline" | "locked";

interface Health {
  models: { id: string; state: string }[];
}

export const connection = $state<{
  state: ConnectionState;
  /** Grows each time that the server comes back: `resource` asks again. */
  epoch: number;
  models: Health["models"];
}>({ state: "connecting", epoch: 0, models: [] });

const EVERY_MS = 4_000;
/** While it does not answer. */
const AGAIN_MS = 1_000;

let timer: ReturnType<typeof setTimeout> | undefined;

function become(state: ConnectionState): void {
  const wasAway = connection.state === "offline" || connection.state === "locked";
  if (wasAway && (state === "online" || state === "loading")) connection.epoch++;
  if (connection.state !== state) connection.state = state;
}

async function look(): Promise<void> {
  clearTimeout(timer);
  try {
    const { models } = await getJson<Health>("/health");
    if (JSON.stringify(models) !== JSON.stringify(connection.models)) connection.models = models;
    if (connection.state !== "locked") become("online");
  } catch (thrown) {
    const { code } = Failure.from(thrown);
    if (code === "unreachable") become("offline");
    else if (connection.state !== "locked") become("loading");
  }
  timer = setTimeout(() => void look(), connection.state === "online" ? EVERY_MS : AGAIN_MS);
}

/** Watches the server until the page is closed. */
export function watchConnection(): void {
  onOutcome(({ failure }) => {
    if (failure?.code === "locked") become("locked");
    // A request that found nobody: look at once, and again soon.
    if (failure?.code === "unreachable" && connection.state === "online") {
      become("offline");
      clearTimeout(timer);
      timer = setTimeout(() => void look(), AGAIN_MS);
    }
  });
  void look();
}

/** Called when a key was given. */
export function unlock(): void {
  become("online");
}
