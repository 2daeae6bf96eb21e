/** The job `pull`: a repository of the hub, in the store. */
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { defineJob } from "../jobs/job.ts";
import { CARDS } from "./cards.ts";
import { download, type DownloadOptions } from "./download/download.ts";
import { listRepository } from "./download/hub.ts";
import { parseModelReference, type ParsedReference } from "./reference.ts";
import { Store, type StoredFile } from "./store.ts";

export const pullArguments = z.strictObject({
  owner: z.string(),
  repository: z.string(),
  revision: z.string(),
  include: z.array(z.string()).optional(),
  hubUrl: z.string().optional(),
  /** `PHILAB_HOME/models`. */
  modelsFolder: z.string(),
});

/**
 * The repository that a person means.
 *
 * @param text - a card (`phi-2`), or `owner/name` of the hub
 * @throws LabError `bad_input` for what is neither, and for what comes with philab
 */
export function repositoryOf(
  text: string,
  revision: string,
): Omit<ParsedReference & { source: "hf" }, "source"> {
  const card = CARDS.find(({ id }) => id === text);
  if (card !== undefined && card.hub === undefined)
    throw new LabError("bad_input", `${card.title} comes with philab: there is nothing to fetch`);
  const name = (card?.hub ?? text).replace(/^hf:/, "");
  const parsed = parseModelReference(`hf:${name}@${revision}`);
  if (parsed.source !== "hf")
    throw new LabError("internal", "internal: a hub reference that is none");
  const { owner, repository } = parsed;
  return { owner, repository, revision: parsed.revision };
}

/** What is not written into a run: the key, and how patiently to fetch. */
export interface PullSecrets extends DownloadOptions {
  accessToken?: string | undefined;
}

/** Fetches what the store does not have yet; the model appears when all of it is there and right. */
export function pullJob(secrets: PullSecrets) {
  return defineJob({
    kind: "pull",
    arguments: pullArguments,
    async run({ arguments: args, signal, progress, emit }) {
      const { owner, repository, revision, include, hubUrl, modelsFolder } = args;
      const store = new Store(modelsFolder);
      const { accessToken } = secrets;
      const found = await listRepository(
        { owner, repository, revision },
        { ...{ include, hubUrl, accessToken, signal } },
      );
      const totalBytes = found.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const files: StoredFile[] = [];
      let before = 0;
      for (const file of found.files) {
        const { path, sizeBytes, sha256: known } = file;
        const report = (done: number): void => progress(before + done, { total: totalBytes });
        let sha256 = known;
        if (sha256 === undefined || !(await store.has({ sha256, sizeBytes }))) {
          const incoming = await store.incoming(known ?? file.gitSha1 ?? "");
          sha256 = await download(file, incoming, {
            ...secrets,
            signal,
            onProgress: report,
            onNote: (message) => emit({ message }),
          });
          await store.adopt(incoming, sha256);
        }
        files.push({ path, sizeBytes, sha256 });
        before += sizeBytes;
        report(0);
      }
      const { commit, licence } = found;
      const folder = store.folderOf({ owner, repository, revision });
      const source = `hf:${owner}/${repository}@${commit}`;
      const about = licence === undefined ? {} : { licence };
      await store.add(folder, { source, files, ...about }, { replace: true });
      return { folder, commit, licence: licence ?? null, files: files.length, bytes: totalBytes };
    },
  });
}
