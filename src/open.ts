/** From a model reference to a model that answers: what the library begins with, and the command line too. */
import { LabError } from "./base/errors.ts";
import { homeFolders, resolveSettings } from "./base/settings.ts";
import {
  resolveModelReference,
  type ModelReference,
  type ResolveOptions,
} from "./catalog/reference.ts";
import { LanguageModel, type OpenOptions } from "./generate/language-model.ts";

/**
 * Opens a model: a name in the store (`phi-micro`, `phi-2:q4_k_m`), `hf:owner/name@revision` that was fetched, a
 * directory in Hugging Face's layout or a .gguf file, each with `+adapter` where its calls are to use one; without a
 * reference the model that the settings name (`PHILAB_MODEL`, `philab.config.json`), else the bundled one. Options win
 * over settings.
 *
 * The model owns native memory: hold it with `await using`.
 *
 * @throws LabError `not_found` with the nearest names; what `LanguageModel.open` and `loadAdapter` throw
 */
export async function open(reference?: string, options: OpenOptions = {}): Promise<LanguageModel> {
  const { values, sources } = resolveSettings();
  const { model, mode, device, home } = values;
  const found = await resolveModelReference(reference ?? model, {
    folders: homeFolders(home),
    cwd: process.cwd(),
  });
  // The default depends on the model's size.
  const threads = sources.threads.from === "default" ? {} : { threads: values.threads };
  return openReference(found, { mode, device, ...threads, ...options });
}

/** Opens the files of a reference; calls use its adapter, where it has one. */
export async function openReference(
  { path, adapter }: ModelReference,
  options: OpenOptions,
): Promise<LanguageModel> {
  const model = await LanguageModel.open(path, options);
  if (adapter === undefined) return model;
  try {
    await model.loadAdapter(adapter.path, { name: adapter.name });
    model.useAdapter(adapter.name);
    return model;
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The files that a reference means, for what works with a model's own weights; an adapter that the model brings along is left out.
 * Throws `unsupported` for one that is named.
 */
export async function findModel(
  reference: string | undefined,
  options: ResolveOptions,
): Promise<ModelReference> {
  const { adapter, ...found } = await resolveModelReference(reference, options);
  if (adapter !== undefined && adapter.isDefault !== true)
    throw new LabError("unsupported", `this works without an adapter: ${adapter.name}`, {
      hint: "Leave it out, or merge it into the model first: philab adapter merge.",
    });
  return found;
}
