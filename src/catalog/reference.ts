/**
 * Model references, the same in every command, endpoint and view:
 *
 *     (none)                       the bundled model
 *     phi-nano                     a name in the store: PHILAB_HOME/models/phi-nano, or a model of the package
 *     phi-2:q4_k_m                 a variant of it: models/phi-2/q4_k_m.gguf, or a folder of that name
 *     hf:microsoft/phi-2@main      a Hugging Face repository that was pulled: models/@hf/microsoft/phi-2/main
 *     ./models/phi-2               a directory; a path begins with ., / or ~, or has a separator in it
 *     ~/phi-2.q8_0.gguf            a .gguf file
 *
 * and each with `+adapter`, a name in PHILAB_HOME/adapters or the path of a directory or a .gguf file. Names cannot leave the store: they have no
 * separators and cannot begin with a dot.
 *
 * A directory may bring an adapter along (`philab adapter attach`): it is used where none is named, and `+none` leaves it out.
 */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../base/errors.ts";
import { PACKAGE_ROOT } from "../base/package.ts";
import { expandHome, type HomeFolders } from "../base/settings.ts";
import { didYouMean, listOf } from "../base/suggest.ts";
import { cardFor } from "./cards.ts";
import { listPulled, STORE_MANIFEST } from "./store.ts";

/** What a reference without a name means. */
export const BUNDLED_MODEL = "phi-nano";

/** Models that come with the package; found by name where the store has none of that name. */
const PACKAGE_MODELS = path.join(PACKAGE_ROOT, "models");

const NAME = /^[a-z0-9][a-z0-9._-]{0,95}$/;
/** Hugging Face's own rule for owners and repositories. */
const HF_PART = /^[A-Za-z0-9](?!.*(--|\.\.))[\w.-]{0,95}$/;
const HF_REVISION = /^[A-Za-z0-9][\w./-]{0,254}$/;

/** What a reference says, before anything is looked up. */
export type ParsedReference =
  | { source: "bundled" }
  | { source: "store"; name: string; variant: string | undefined }
  | { source: "hf"; owner: string; repository: string; revision: string }
  | { source: "path"; path: string };

export interface AdapterReference {
  /** As it was asked for. */
  name: string;
  /** Its directory, or its GGUF file. */
  path: string;
  /** It came with the model: nobody named it. */
  isDefault?: true;
}

/** Where a model's directory has the adapter that it brings along; no name of a variant begins so. */
export const DEFAULT_ADAPTER = "@default";
/** `+none`: the model without the adapter that it brings along. */
export const NO_ADAPTER = "none";

/** A model that is there. */
export interface ModelReference {
  source: ParsedReference["source"];
  /** A directory in Hugging Face's layout, or a GGUF file. */
  kind: "directory" | "gguf";
  /** Absolute. */
  path: string;
  /** Short, for people and for the names of runs: `phi-2:q4_k_m`, `phi-2.q8_0`. */
  name: string;
  adapter?: AdapterReference;
}

export interface ResolveOptions {
  folders: Pick<HomeFolders, "models" | "adapters">;
  /** What relative paths start from. */
  cwd: string;
  /** Of `--adapter`; says the same as `+adapter`. */
  adapter?: string | undefined;
}

/**
 * The files that a reference means. Throws `not_found` with the nearest names, and `bad_input` for a reference that is
 * none, or that leaves open which of several files is meant.
 */
export async function resolveModelReference(
  reference: string | undefined,
  options: ResolveOptions,
): Promise<ModelReference> {
  const { model, adapter: suffix } = await splitAdapter(reference, options.cwd);
  if (suffix !== undefined && options.adapter !== undefined && suffix !== options.adapter)
    throw new LabError("bad_input", `two adapters: +${suffix} and --adapter ${options.adapter}`, {
      hint: "Name one of them.",
    });
  const adapterName = suffix ?? options.adapter;
  const found = await resolveModel(parseModelReference(model), options);
  if (adapterName === NO_ADAPTER) return found;
  if (adapterName === undefined) {
    const own = path.join(found.path, DEFAULT_ADAPTER);
    if ((await entryKind(path.join(own, "adapter_config.json"))) !== "file") return found;
    return { ...found, adapter: { name: "default", path: own, isDefault: true } };
  }
  return { ...found, adapter: await resolveAdapter(adapterName, options) };
}

/** What a reference without `+adapter` says. Throws `bad_input` for one that follows none of the forms. */
export function parseModelReference(text: string | undefined): ParsedReference {
  if (text === undefined || text === "") return { source: "bundled" };
  if (text.startsWith("hf:")) return parseHuggingFace(text);
  if (looksLikePath(text)) return { source: "path", path: text };
  const [name = "", variant, ...more] = text.split(":");
  if (NAME.test(name) && (variant === undefined || NAME.test(variant)) && more.length === 0)
    return { source: "store", name, variant };
  throw new LabError("bad_input", `${JSON.stringify(text)} is no model reference`, {
    hint: NAME.test(text.toLowerCase())
      ? `Names are in lower case: ${text.toLowerCase()}.`
      : "It is a name such as phi-2 or phi-2:q4_k_m, hf:owner/name@revision, a directory, or a .gguf file.",
  });
}

function parseHuggingFace(text: string): ParsedReference {
  const [, owner = "", repository = "", revision = "main"] =
    /^hf:([^/@]*)\/([^/@]*)(?:@(.*))?$/.exec(text) ?? [];
  const revisionIsSafe = HF_REVISION.test(revision) && !revision.split("/").includes("..");
  if (!HF_PART.test(owner) || !HF_PART.test(repository) || !revisionIsSafe)
    throw new LabError("bad_input", `${JSON.stringify(text)} is no Hugging Face reference`, {
      hint: "It has the form hf:owner/name or hf:owner/name@revision.",
    });
  return { source: "hf", owner, repository, revision };
}

/** Whether a reference names a place on disk rather than a name. */
export function looksLikePath(text: string): boolean {
  return /[\\/]/.test(text) || /^(\.|~)/.test(text) || /\.gguf$/i.test(text);
}

/** `model+adapter` in two. A `+` inside a path that is there belongs to the path. */
async function splitAdapter(
  reference: string | undefined,
  cwd: string,
): Promise<{ model: string | undefined; adapter: string | undefined }> {
  const plus = reference?.lastIndexOf("+") ?? -1;
  if (reference === undefined || plus < 0) return { model: reference, adapter: undefined };
  if (looksLikePath(reference) && (await entryKind(absolute(reference, cwd))) !== undefined)
    return { model: reference, adapter: undefined };
  const adapter = reference.slice(plus + 1);
  if (adapter === "")
    throw new LabError("bad_input", `${JSON.stringify(reference)} names no adapter after the +`);
  return { model: reference.slice(0, plus), adapter };
}

async function resolveModel(
  parsed: ParsedReference,
  { folders, cwd }: ResolveOptions,
): Promise<ModelReference> {
  switch (parsed.source) {
    case "bundled": {
      const folder = path.join(PACKAGE_MODELS, BUNDLED_MODEL);
      return describeModel(folder, {
        source: "bundled",
        name: BUNDLED_MODEL,
        asked: BUNDLED_MODEL,
      });
    }
    case "store":
      return resolveStored(parsed, folders.models);
    case "hf": {
      const { owner, repository, revision } = parsed;
      const asked = `hf:${owner}/${repository}${revision === "main" ? "" : `@${revision}`}`;
      const encoded = encodeURIComponent(revision);
      const folder = path.join(folders.models, "@hf", owner, repository, encoded);
      if ((await entryKind(folder)) === undefined)
        throw new LabError("not_found", `${asked} is not in the store`, {
          hint: `This fetches it: philab pull ${owner}/${repository}${revision === "main" ? "" : ` --revision ${revision}`}`,
        });
      return describeModel(folder, { source: "hf", name: repository, asked });
    }
    case "path": {
      const target = absolute(parsed.path, cwd);
      const name = path.basename(target).replace(/\.gguf$/i, "");
      return describeModel(target, { source: "path", name, asked: parsed.path });
    }
  }
}

async function resolveStored(
  { name, variant }: ParsedReference & { source: "store" },
  modelsFolder: string,
): Promise<ModelReference> {
  const asked = variant === undefined ? name : `${name}:${variant}`;
  const folders = [path.join(modelsFolder, name), path.join(PACKAGE_MODELS, name)];
  for (const folder of folders) {
    if ((await entryKind(folder)) !== "directory") continue;
    const source = folder === folders[0] ? "store" : "bundled";
    if (variant === undefined) return describeModel(folder, { source, name, asked });
    for (const target of [path.join(folder, `${variant}.gguf`), path.join(folder, variant)])
      if ((await entryKind(target)) !== undefined)
        return describeModel(target, { source, name: asked, asked });
    const variants = await variantsOf(folder);
    throw new LabError("not_found", `${name} has no variant ${variant}`, {
      hint:
        variants.length === 0
          ? `It has none: name it ${name}.`
          : `It has ${listOf(variants, "and")}.`,
    });
  }
  const names = [...(await namesIn(modelsFolder)), ...(await namesIn(PACKAGE_MODELS))];
  throw new LabError("not_found", `there is no model ${asked} in ${modelsFolder}`, {
    hint: [
      cardFor(name)?.hub === undefined
        ? didYouMean(name, names)
        : `philab pull ${name} fetches it.`,
      `A directory or file of your own is named by its path, such as ./${name}.`,
    ]
      .filter(Boolean)
      .join(" "),
  });
}

/** `target` as a model: a GGUF file, a directory with config.json, or one with a single GGUF file in it. */
async function describeModel(
  target: string,
  { source, name, asked }: { source: ParsedReference["source"]; name: string; asked: string },
): Promise<ModelReference> {
  const kind = await entryKind(target);
  if (kind === "file") {
    if (/\.gguf$/i.test(target)) return { source, kind: "gguf", path: target, name };
    throw new LabError("bad_input", `${asked} is neither a directory nor a .gguf file`, {
      hint: `Of a model in Hugging Face's layout, name the directory: ${path.dirname(asked)}.`,
    });
  }
  if (kind === undefined)
    throw new LabError("not_found", `there is no model at ${target}`, {
      hint: "It is a directory with config.json and safetensors files, or a .gguf file.",
    });
  if ((await entryKind(path.join(target, "config.json"))) === "file")
    return { source, kind: "directory", path: target, name };
  const files = (await readdir(target)).filter((file) => /\.gguf$/i.test(file)).sort();
  const [only, ...others] = files;
  if (only === undefined)
    throw new LabError("not_found", `${target} holds no model`, {
      hint: "A model's directory has a config.json, or a .gguf file.",
    });
  if (others.length > 0) {
    const choices = files.map((file) =>
      source === "store" ? `${asked}:${file.replace(/\.gguf$/i, "")}` : path.join(asked, file),
    );
    throw new LabError("bad_input", `${asked} holds ${files.length} models`, {
      hint: `Name one: ${listOf(choices, "or")}.`,
    });
  }
  return { source, kind: "gguf", path: path.join(target, only), name };
}

/**
 * The files of an adapter: a name in the store, or the path of a directory or a .gguf file. Throws `not_found` with the
 * nearest names, and `bad_input` for what is no reference.
 */
export async function resolveAdapter(
  name: string,
  { folders, cwd }: Pick<ResolveOptions, "folders" | "cwd">,
): Promise<AdapterReference> {
  const isPath = looksLikePath(name);
  if (!isPath && !NAME.test(name))
    throw new LabError("bad_input", `${JSON.stringify(name)} is no adapter reference`, {
      hint: "It is a name in the store, or the path of a directory or a .gguf file.",
    });
  const folder = isPath ? absolute(name, cwd) : path.join(folders.adapters, name);
  if ((await entryKind(path.join(folder, "adapter_config.json"))) === "file")
    return { name, path: folder };
  if (/\.gguf$/i.test(folder) && (await entryKind(folder)) === "file")
    return { name, path: folder };
  const exists = (await entryKind(folder)) !== undefined;
  throw new LabError(
    "not_found",
    exists ? `${folder} has no adapter_config.json` : `there is no adapter ${name}`,
    {
      hint:
        (isPath ? undefined : didYouMean(name, await namesIn(folders.adapters))) ??
        "An adapter is a directory in PEFT's format, or a .gguf file.",
    },
  );
}

function absolute(file: string, cwd: string): string {
  return path.resolve(cwd, expandHome(file));
}

async function entryKind(target: string): Promise<"file" | "directory" | undefined> {
  try {
    return (await stat(target)).isDirectory() ? "directory" : "file";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw LabError.from(error);
  }
}

/** Every name under which the store, or the package, has a model: `phi-micro`, `phi-2:q4_k_m`, `hf:microsoft/phi-2`. */
export async function listStoredModels(modelsFolder: string): Promise<string[]> {
  const found = new Set<string>();
  for (const folder of [modelsFolder, PACKAGE_MODELS])
    for (const name of await namesIn(folder)) {
      const inside = path.join(folder, name);
      const variants = await variantsOf(inside);
      // What philab has put there goes by its folder's name, a single file too.
      const isWhole =
        (await entryKind(path.join(inside, "config.json"))) === "file" ||
        (variants.length === 1 && (await entryKind(path.join(inside, STORE_MANIFEST))) === "file");
      for (const id of isWhole ? [name] : variants.map((variant) => `${name}:${variant}`))
        found.add(id);
    }
  for (const { name } of await listPulled(modelsFolder)) found.add(name);
  return [...found].sort();
}

/** Names of the folders in `folder` that a reference can name; none where it is not there. */
async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((e) => !e.isFile() && NAME.test(e.name)).map(({ name }) => name);
}

async function variantsOf(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => /\.gguf$/i.test(file));
  return [...files.map((file) => file.replace(/\.gguf$/i, "")), ...(await namesIn(folder))].sort();
}
