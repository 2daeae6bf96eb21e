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
 * directory in Hugging Face's layout or a .gguf file; without a reference the model that the settings name
 * (`PHILAB_MODEL`, `philab.config.json`), else the bundled one. Options win over settings.
 *
 * The model owns native memory: hold it with `await using`.
 *
 * @throws LabError `not_found` with the nearest names; what `LanguageModel.open` throws
 */
export async function open(reference?: string, options: OpenOptions = {}): Promise<LanguageModel> {
  const { values, sources } = resolveSettings();
  const { model, mode, device, home } = values;
  const { path } = await findModel(reference ?? model, {
    folders: homeFolders(home),
    cwd: process.cwd(),
  });
  // The default depends on the model's size.
  const threads = sources.threads.from === "default" ? {} : { threads: values.threads };
  return LanguageModel.open(path, { mode, device, ...threads, ...options });
}

/** The files that a reference means. Throws `unsupported` for a reference with an adapter. */
export async function findModel(
  reference: string | undefined,
  options: ResolveOptions,
): Promise<ModelReference> {
  const found = await resolveModelReference(reference, options);
  if (found.adapter !== undefined)
    throw new LabError("unsupported", `the adapter ${found.adapter.name} cannot be applied yet`, {
      hint: "This version of philab opens models without adapters.",
    });
  return found;
}
