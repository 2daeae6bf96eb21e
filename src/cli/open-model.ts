/** Opens the model that the flags name, with progress while weights are placed. */
import { resolveModelReference, type ModelReference } from "../catalog/reference.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { KvCacheType } from "../model/kv-cache.ts";
import { openReference } from "../open.ts";
import type { CommandContext } from "./command.ts";

export interface OpenedModel {
  reference: ModelReference;
  model: LanguageModel;
}

export async function openModel(
  {
    settings,
    sources,
    folders,
    output,
    signal,
    cwd,
  }: Pick<CommandContext, "settings" | "sources" | "folders" | "output" | "signal" | "cwd">,
  options: {
    adapter?: string | undefined;
    cacheType?: KvCacheType | undefined;
    contextLength?: number | undefined;
  } = {},
): Promise<OpenedModel> {
  const { adapter } = options;
  const reference = await resolveModelReference(settings.model, { folders, cwd, adapter });
  using progress = output.progress({ label: `open ${reference.name}`, unit: "B" });
  const { cacheType, contextLength } = options;
  const model = await openReference(reference, {
    mode: settings.mode,
    device: settings.device,
    // The default depends on the model's size.
    ...(sources.threads.from === "default" ? {} : { threads: settings.threads }),
    signal,
    ...(cacheType === undefined ? {} : { cacheType }),
    ...(contextLength === undefined ? {} : { contextLength }),
    onProgress: ({ bytesDone, bytesTotal }) => {
      progress.update(bytesDone, { total: bytesTotal });
    },
  });
  for (const { notes } of model.adapters.values()) for (const note of notes) output.warn(note);
  return { reference, model };
}

/** What a job's record says about its model. */
export interface RecordedModel {
  model?: string | undefined;
  adapter?: string | undefined;
  mode?: CommandContext["settings"]["mode"] | undefined;
  device?: CommandContext["settings"]["device"] | undefined;
  threads?: number | undefined;
}

/** Opens the model of a job: a resumed one is computed as it began, whatever the settings are by now. */
export async function openRecorded(
  context: Parameters<typeof openModel>[0],
  { model, adapter, ...asked }: RecordedModel,
): Promise<OpenedModel> {
  const { mode = context.settings.mode, device = context.settings.device } = asked;
  const { threads = context.settings.threads } = asked;
  const settings = { ...context.settings, model, mode, device, threads };
  const from = asked.threads === undefined ? "default" : "flag";
  const sources = { ...context.sources, threads: { ...context.sources.threads, from } } as const;
  return openModel({ ...context, settings, sources }, { adapter });
}

/** What jobs open their models with: as their record names them, freed with what is handed out. */
export function openForJob(context: CommandContext) {
  return async (asked: RecordedModel) => {
    const { model, reference } = await openRecorded(context, asked);
    return {
      model,
      name: reference.name,
      [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
    };
  };
}

/** What a command's model is, for the record of a job. */
export function recordedModel(
  { settings, sources }: Pick<CommandContext, "settings" | "sources">,
  { adapter }: { adapter?: string | undefined },
): RecordedModel {
  const { model, mode, device } = settings;
  return {
    mode,
    device,
    ...(model === undefined ? {} : { model }),
    ...(adapter === undefined ? {} : { adapter }),
    // The default depends on the model's size.
    ...(sources.threads.from === "default" ? {} : { threads: settings.threads }),
  };
}

/** What every result says about how it was made. */
export function provenance(
  { reference, model }: OpenedModel,
  commandLine: readonly string[],
): Record<string, string | number | readonly string[]> {
  const adapter = model.adapter === null ? undefined : model.adapters.get(model.adapter);
  return {
    model: reference.name,
    path: reference.path,
    modelHash: model.fingerprint(),
    ...(adapter === undefined ? {} : { adapter: adapter.name, adapterHash: adapter.fingerprint }),
    mode: model.mode,
    device: model.backend.device.kind,
    threads: model.backend.threads,
    engine: model.backend.engineVersion,
    command: commandLine,
  };
}
