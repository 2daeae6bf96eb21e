/** What `philab serve` and `philab studio` have in common: which models, from where they can be reached, within what. */
import { totalmem } from "node:os";
import { z } from "zod";
import { resolveModelReference, type ModelReference } from "../catalog/reference.ts";
import type { ServedModel } from "../server/fleet/inventory.ts";
import { serve, type RunningServer } from "../server/serve.ts";
import type { Pages } from "../server/studio/pages.ts";
import type { CommandContext } from "./command.ts";
import { flags } from "./flags.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

export const SERVING_ARGUMENTS = {
  models: z
    .array(z.string().min(1))
    .optional()
    .describe("models to serve beside those of the store, by reference; the first is the default"),
};

export const SERVING_OPTIONS = {
  ...flags("model", "mode", "device", "threads"),
  host: z.string().min(1).default("127.0.0.1").describe("the address to listen on"),
  port: z.int().min(0).max(65535).default(8000).describe("0 takes any that is free"),
  slots: z
    .int()
    .min(1)
    .max(256)
    .default(8)
    .describe("texts that are in work at the same time, for each model")
    .meta({ placeholder: "count" }),
  maxWaiting: z
    .int()
    .min(0)
    .max(100_000)
    .default(1024)
    .describe("texts that may wait for a slot; more are refused with 429")
    .meta({ placeholder: "count" }),
  context: z
    .int()
    .min(1)
    .optional()
    .describe("tokens of each text, prompt and answer; default: what the model has")
    .meta({ placeholder: "count" }),
  memory: z
    .number()
    .positive()
    .optional()
    .describe("GiB that loaded models may take together; default: three quarters of the machine's")
    .meta({ placeholder: "GiB" }),
  idleUnload: z
    .number()
    .min(0)
    .default(30)
    .describe("minutes after which a model that nobody asks is unloaded; 0 for never")
    .meta({ placeholder: "minutes" }),
  maxBody: z
    .number()
    .positive()
    .default(16)
    .describe("MiB of a request's body at most")
    .meta({ placeholder: "MiB" }),
  allowHost: z
    .array(z.string().min(1))
    .default([])
    .describe("other names under which this server is reached")
    .meta({ placeholder: "names" }),
  allowOrigin: z
    .array(z.url())
    .default([])
    .describe("origins of web pages that may ask, such as http://localhost:3000")
    .meta({ placeholder: "origins" }),
};

type ServingContext = CommandContext<typeof SERVING_ARGUMENTS, typeof SERVING_OPTIONS>;

/** A server that listens, and the names of the models it was given. */
export async function startServing(
  {
    args,
    options,
    settings,
    sources,
    folders,
    output,
    env,
    cwd,
  }: Omit<ServingContext, "commandLine">,
  { pages }: { pages?: Pages } = {},
): Promise<{ server: RunningServer; ids: string[] }> {
  const named = args.models ?? [];
  const first = settings.model === undefined && named.length > 0 ? [] : [settings.model];
  const models: ServedModel[] = [];
  for (const reference of [...first, ...named])
    models.push(served(await resolveModelReference(reference, { folders, cwd })));
  const { memory, idleUnload, maxBody, allowHost, allowOrigin, context, ...rest } = options;
  const apiKey = env["PHILAB_API_KEY"];
  const hubUrl = env["HF_ENDPOINT"] ?? "";
  const server = await serve({
    ...rest,
    models,
    home: settings.home,
    mode: settings.mode,
    device: settings.device,
    ...(sources.threads.from === "default" ? {} : { threads: settings.threads }),
    ...(context === undefined ? {} : { contextLength: context }),
    ...(pages === undefined ? {} : { pages }),
    ...(hubUrl === "" ? {} : { hubUrl }),
    apiKey: apiKey === "" ? undefined : apiKey,
    memoryBytes: memory === undefined ? (3 / 4) * totalmem() : memory * GIB,
    idleMs: idleUnload * 60_000,
    maxBodyBytes: maxBody * MIB,
    allowedHosts: allowHost.map((name) => name.toLowerCase()),
    allowedOrigins: allowOrigin.map((origin) => new URL(origin).origin),
    log: (message, more = {}) => {
      const facts = Object.entries(more).map(([key, value]) => `${key}=${value}`);
      output.note([new Date().toISOString(), message, ...facts].join(" "));
    },
  });
  return { server, ids: models.map(({ id }) => id) };
}

/** Resolves when the person ends the server. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function served(reference: ModelReference): ServedModel {
  const { name, adapter } = reference;
  const isNamed = adapter !== undefined && adapter.isDefault !== true;
  return { id: isNamed ? `${name}+${adapter.name}` : name, reference };
}
