/** Opens the model that the flags name, with progress while weights are placed. */
import type { ModelReference } from "../catalog/reference.ts";
import { LanguageModel } from "../generate/language-model.ts";
import type { KvCacheType } from "../model/kv-cache.ts";
import { findModel } from "../open.ts";
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
  options: { cacheType?: KvCacheType | undefined; contextLength?: number | undefined } = {},
): Promise<OpenedModel> {
  const reference = await findModel(settings.model, { folders, cwd });
  using progress = output.progress({ label: `open ${reference.name}`, unit: "B" });
  const { cacheType, contextLength } = options;
  const model = await LanguageModel.open(reference.path, {
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
  return { reference, model };
}

/** What every result says about how it was made. */
export function provenance(
  { reference, model }: OpenedModel,
  commandLine: readonly string[],
): Record<string, string | number | readonly string[]> {
  return {
    model: reference.name,
    path: reference.path,
    modelHash: model.fingerprint(),
    mode: model.mode,
    device: model.backend.device.kind,
    threads: model.backend.threads,
    engine: model.backend.engineVersion,
    command: commandLine,
  };
}
