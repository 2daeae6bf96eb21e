/** The server: listens, and ends with everything that it started. */
import { createAdaptorServer } from "@hono/node-server";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { LabError } from "../base/errors.ts";
import { homeFolders } from "../base/settings.ts";
import { createApp } from "./app.ts";
import { Fleet, type FleetOptions } from "./fleet/fleet.ts";
import { Inventory, type ServedModel } from "./fleet/inventory.ts";
import { isLoopback, type GuardOptions } from "./http/guard.ts";
import { Corpora } from "./lab/corpora.ts";
import { DataSets } from "./lab/data-sets.ts";
import { Machine } from "./lab/machine.ts";
import { RunQueue } from "./lab/run-queue.ts";
import { Metrics } from "./metrics.ts";
import { RecentLog, type Log } from "./recent-log.ts";
import type { Pages } from "./studio/pages.ts";

export interface ServeOptions extends GuardOptions, FleetOptions {
  /** 0 for any that is free. */
  port: number;
  /** PHILAB_HOME. */
  home: string;
  /** The first is the one that requests without a name mean, and is loaded at once. */
  models: readonly ServedModel[];
  maxBodyBytes: number;
  /** Where models are fetched from, where it is not Hugging Face's hub. */
  hubUrl?: string;
  /** The studio's pages, to be served at /studio/. */
  pages?: Pages;
  log: Log;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Where, without a path. */
  url: string;
  fleet: Fleet;
}

/** Headers of a request must be there within this time. */
const HEADERS_TIMEOUT_MS = 20_000;
/** A request must be there whole within this time. */
const REQUEST_TIMEOUT_MS = 120_000;
/**
 * How long a connection without a request stays open: longer than clients keep theirs, who would else send the next request
 * just as it is closed and never learn whether it was read.
 */
const KEEP_ALIVE_MS = 75_000;

/**
 * @throws LabError `bad_input` for an address of the network without a key, and for one that is taken
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { host, port, apiKey, models, home, hubUrl } = options;
  if (!isLoopback(host) && apiKey === undefined)
    throw new LabError("bad_input", `${host} can be reached from elsewhere: it needs a key`, {
      hint: "Set PHILAB_API_KEY, or listen on 127.0.0.1.",
    });
  const recent = new RecentLog();
  const log = recent.before(options.log);
  const fleet = new Fleet(new Inventory({ given: models, home }), options, { log });
  const folders = homeFolders(home);
  const queue = new RunQueue({ home, threads: options.threads, log });
  const dataSets = new DataSets(folders.data);
  const corpora = new Corpora(dataSets);
  const runs = { folders, queue, dataSets, corpora, ...(hubUrl === undefined ? {} : { hubUrl }) };
  const app = createApp({
    ...{ ...options, fleet, runs, recent, log },
    ...{ machine: new Machine(options), metrics: new Metrics() },
  });
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
  }) as Server;
  await listen(server, { host, port });
  // Whoever asks first need not wait for it.
  void fleet.use(undefined).catch((error: unknown) => {
    log("the model cannot be loaded", { error: LabError.from(error).message });
  });
  const address = server.address() as AddressInfo;
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `http://${name}:${address.port}`,
    fleet,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      await Promise.all([fleet.close(), queue.close()]);
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new LabError("bad_input", `port ${port} is taken`, { hint: "Choose another: --port." })
          : error,
      );
    });
    server.listen(port, host, resolve);
  });
}
