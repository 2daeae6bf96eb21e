/** Data sets that requests may name: what lies in `PHILAB_HOME/data`. Rows that a request brings become one. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { toJson, type JsonValue } from "../../base/json.ts";
import { didYouMean } from "../../base/suggest.ts";

/** A name is never a path: no separator, no dot at its beginning. */
export const dataName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/i, "expected a name");

/** A file of a folder is named with the folder: no part begins with a dot. */
export const dataFile = z
  .string()
  .max(300)
  .regex(/^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*){0,3}$/i, "expected a name");

export interface DataSet {
  name: string;
  /** A corpus or any folder of files; or one file. */
  kind: "folder" | "file";
  /** Of a file. */
  sizeBytes?: number;
}

/** What a list of files holds, and how deep folders are looked into. */
const MAX_FILES = 500;
const MAX_DEPTH = 3;

export class DataSets {
  readonly #folder: string;

  /** @param folder - `PHILAB_HOME/data` */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<DataSet[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true }).catch(() => []);
    const known = entries.filter(({ name }) => dataName.safeParse(name).success);
    return Promise.all(
      known.map(async (entry): Promise<DataSet> => {
        const { name } = entry;
        const found = await stat(path.join(this.#folder, name));
        return found.isDirectory()
          ? { name, kind: "folder" }
          : { name, kind: "file", sizeBytes: found.size };
      }),
    );
  }

  /** Where a data set lies. Throws `not_found` with the nearest names. */
  async find(name: string): Promise<string> {
    const names = (await this.list()).map((one) => one.name);
    if (names.includes(name)) return path.join(this.#folder, name);
    throw new LabError("not_found", `there is no data set ${JSON.stringify(name)}`, {
      hint:
        didYouMean(name, names) ??
        "GET /v1/lab/data lists those of PHILAB_HOME/data; rows may come with the request.",
    });
  }

  /** Where a data set lies, or a file of one, `folder/file`. Throws `not_found`. */
  async findFile(name: string): Promise<string> {
    const [first = "", ...rest] = name.split("/");
    const found = path.join(await this.find(first), ...rest);
    if (rest.length === 0 || existsSync(found)) return found;
    throw new LabError("not_found", `${first} has no ${rest.join("/")}`);
  }

  /** Files that end with one of the given endings, those of folders too, by the names of `findFile`. */
  async files(endings: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    const look = async (prefix: string, depth: number): Promise<void> => {
      const folder = path.join(this.#folder, prefix);
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
        if (found.length >= MAX_FILES || !dataFile.safeParse(name).success) continue;
        if (entry.isDirectory() && depth < MAX_DEPTH) await look(name, depth + 1);
        else if (endings.some((ending) => name.endsWith(ending))) found.push(name);
      }
    };
    await look("", 0);
    return found;
  }

  /** Where a data set of this name may be made. Throws `bad_input` where there is one. */
  async vacant(name: string): Promise<string> {
    if ((await this.list()).every((one) => one.name !== name)) return path.join(this.#folder, name);
    throw new LabError("bad_input", `there is a data set ${name} already`, {
      hint: "Choose another name.",
    });
  }

  /** Keeps rows under a name that their content decides, and says where. */
  async keep(rows: readonly Record<string, JsonValue>[]): Promise<string> {
    const text = rows.map((row) => `${toJson(row)}\n`).join("");
    const hash = createHash("sha256").update(text).digest("hex");
    const file = path.join(this.#folder, `rows-${hash.slice(0, 16)}.jsonl`);
    await mkdir(this.#folder, { recursive: true });
    await writeTextAtomic(file, text);
    return file;
  }
}
