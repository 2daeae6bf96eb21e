/**
 * The models of PHILAB_HOME. Bytes lie once, under their hash (`models/@blobs/sha256-…`); a model is a folder of links to them, with
 * a `manifest.json` that says what they are and where they came from. A blob goes when no manifest names it any more. Folders
 * that a person put there have no manifest, and are left alone.
 */
import { copyFile, link, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeDirectoryAtomic, writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { sha256File } from "../base/hash.ts";
import { toJson } from "../base/json.ts";
import { checkObject } from "../base/schema.ts";
import { didYouMean } from "../base/suggest.ts";

/** In the folder of every model that philab has put there. */
export const STORE_MANIFEST = "manifest.json";
const BLOBS = "@blobs";

const fileSchema = z.strictObject({
  /** In the model's folder, with forward slashes. */
  path: z.string().min(1),
  sizeBytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type StoredFile = z.output<typeof fileSchema>;

const manifestSchema = z.strictObject({
  schema: z.literal(1),
  /** Where it came from: `hf:microsoft/phi-2@<commit>`, or the path that was imported. */
  source: z.string(),
  licence: z.string().optional(),
  /** What it was made of and how, the nearest first. */
  lineage: z.array(z.strictObject({ what: z.string(), from: z.string() })).default([]),
  createdAt: z.string(),
  files: z.array(fileSchema).min(1),
});
export type Manifest = z.output<typeof manifestSchema>;

export interface StoredModel {
  /** By which it is referred to: `phi-2`, `hf:microsoft/phi-2`. */
  name: string;
  folder: string;
  /** Absent for a folder that philab did not make. */
  manifest: Manifest | undefined;
}

export class Store {
  readonly #folder: string;

  /** @param folder - `PHILAB_HOME/models` */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Where bytes wait until they are whole and checked; made where it is not there. */
  async incoming(name: string): Promise<string> {
    const folder = path.join(this.#folder, "@incoming");
    await mkdir(folder, { recursive: true });
    return path.join(folder, name);
  }

  /** Whether bytes are there already. */
  async has({ sha256, sizeBytes }: Pick<StoredFile, "sha256" | "sizeBytes">): Promise<boolean> {
    const found = await stat(this.#blob(sha256)).catch(() => undefined);
    return found?.size === sizeBytes;
  }

  /** Takes over a file whose hash was checked. */
  async adopt(file: string, sha256: string): Promise<void> {
    await mkdir(path.join(this.#folder, BLOBS), { recursive: true });
    await rename(file, this.#blob(sha256));
  }

  /**
   * Makes a model of blobs that are there.
   *
   * @param folder - where: `folderOf` says it
   * @throws LabError `bad_input` where something else has that name, unless it may be replaced
   */
  async add(
    folder: string,
    manifest: Omit<z.input<typeof manifestSchema>, "schema" | "createdAt">,
    { replace = false }: { replace?: boolean } = {},
  ): Promise<void> {
    await mkdir(path.dirname(folder), { recursive: true });
    await writeDirectoryAtomic(
      folder,
      async (directory) => {
        for (const { path: name, sha256 } of manifest.files) {
          const target = path.join(directory, ...name.split("/"));
          await mkdir(path.dirname(target), { recursive: true });
          // A link costs nothing; a disk without links gets a copy.
          await link(this.#blob(sha256), target).catch(() => copyFile(this.#blob(sha256), target));
        }
        const whole = { schema: 1, createdAt: new Date().toISOString(), ...manifest };
        await writeTextAtomic(path.join(directory, STORE_MANIFEST), `${toJson(whole, 2)}\n`);
      },
      { replace },
    );
  }

  /** `models/<name>`, or for the hub's `models/@hf/<owner>/<repository>/<revision>`. */
  folderOf(where: string | { owner: string; repository: string; revision: string }): string {
    if (typeof where === "string") return path.join(this.#folder, where);
    const { owner, repository, revision } = where;
    return path.join(this.#folder, "@hf", owner, repository, encodeURIComponent(revision));
  }

  /** Every model of the store, by name. */
  async list(): Promise<StoredModel[]> {
    const models: StoredModel[] = [];
    for (const name of await foldersIn(this.#folder))
      if (!name.startsWith("@") && !name.startsWith("."))
        models.push(await this.#read(name, path.join(this.#folder, name)));
    for (const { name, folder } of await listPulled(this.#folder))
      models.push(await this.#read(name, folder));
    return models.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Removes a model, and the bytes that no other model has. Returns how many bytes that frees. */
  async remove({ folder, manifest }: StoredModel): Promise<number> {
    await rm(folder, { recursive: true });
    if (manifest === undefined) return 0;
    const needed = new Set(
      (await this.list())
        .flatMap((model) => model.manifest?.files ?? [])
        .map(({ sha256 }) => sha256),
    );
    let freedBytes = 0;
    for (const { sha256, sizeBytes } of manifest.files) {
      if (needed.has(sha256)) continue;
      needed.add(sha256);
      await rm(this.#blob(sha256), { force: true });
      freedBytes += sizeBytes;
    }
    return freedBytes;
  }

  /** Hashes every file of a model again. */
  async verify(
    { folder, manifest }: StoredModel,
    options: { signal?: AbortSignal; onFile?: (file: StoredFile) => void } = {},
  ): Promise<{ file: StoredFile; problem: string | undefined }[]> {
    const found = [];
    for (const file of manifest?.files ?? []) {
      options.onFile?.(file);
      const at = path.join(folder, ...file.path.split("/"));
      const sha256 = await sha256File(at, { signal: options.signal }).catch((error: unknown) => {
        if (options.signal?.aborted === true) throw error;
        return LabError.from(error).message;
      });
      const problem = sha256 === file.sha256 ? undefined : `found ${sha256}`;
      found.push({ file, problem });
    }
    return found;
  }

  #blob(sha256: string): string {
    return path.join(this.#folder, BLOBS, `sha256-${sha256}`);
  }

  async #read(name: string, folder: string): Promise<StoredModel> {
    const file = path.join(folder, STORE_MANIFEST);
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) return { name, folder, manifest: undefined };
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new LabError("corrupt_file", `${file} is not JSON`);
    }
    const manifest = checkObject(manifestSchema, value, { what: file, code: "corrupt_file" });
    return { name, folder, manifest };
  }
}

/** Models of the hub, by the names that refer to them: `hf:microsoft/phi-2`, `hf:microsoft/phi-2@v1`. */
export async function listPulled(
  modelsFolder: string,
): Promise<{ name: string; folder: string }[]> {
  const found: { name: string; folder: string }[] = [];
  const hub = path.join(modelsFolder, "@hf");
  for (const owner of await foldersIn(hub))
    for (const repository of await foldersIn(path.join(hub, owner)))
      for (const revision of await foldersIn(path.join(hub, owner, repository))) {
        const suffix = revision === "main" ? "" : `@${decodeURIComponent(revision)}`;
        const folder = path.join(hub, owner, repository, revision);
        found.push({ name: `hf:${owner}/${repository}${suffix}`, folder });
      }
  return found;
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isFile()).map(({ name }) => name);
}

/** A model of the store by its name. Throws `not_found` with the nearest one. */
export async function findStored(folder: string, name: string): Promise<StoredModel> {
  const models = await new Store(folder).list();
  const found = models.find((model) => model.name === name);
  if (found !== undefined) return found;
  const hint =
    didYouMean(
      name,
      models.map((model) => model.name),
    ) ?? "philab list shows what there is.";
  throw new LabError("not_found", `there is no ${name} in ${folder}`, { hint });
}
