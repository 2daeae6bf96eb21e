/** What a repository of the Hugging Face hub holds, at one commit. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import type { RemoteFile } from "./download.ts";

export const HUB_URL = "https://huggingface.co";

export interface HubFile extends RemoteFile {
  /** In the repository, with forward slashes. */
  path: string;
}

export interface HubRepository {
  /** The commit that the revision means now. */
  commit: string;
  licence: string | undefined;
  files: HubFile[];
}

const listingSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  cardData: z.object({ license: z.string().optional().catch(undefined) }).optional(),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.int().min(0),
      blobId: z
        .string()
        .regex(/^[0-9a-f]{40}$/)
        .optional(),
      lfs: z
        .object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) })
        .optional(),
    }),
  ),
});

/** Weights, configuration and tokenizer; no pickles. */
const DEFAULT_INCLUDE = ["*.safetensors", "*.json", "*.txt", "LICENSE*", "README.md"];

/**
 * @throws LabError `not_found`, `bad_input` where it may not be read, `corrupt_file` for an answer that is none
 */
export async function listRepository(
  { owner, repository, revision }: { owner: string; repository: string; revision: string },
  {
    hubUrl = HUB_URL,
    accessToken,
    include = DEFAULT_INCLUDE,
    signal,
  }: {
    hubUrl?: string | undefined;
    accessToken?: string | undefined;
    /** Patterns of names; `*` stands for anything. */
    include?: readonly string[] | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<HubRepository> {
  const base = hubUrl.replace(/\/+$/, "");
  const name = `${owner}/${repository}`;
  const url = `${base}/api/models/${name}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const response = await fetch(url, {
    headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw new LabError("interrupted", "interrupted");
    throw new LabError("not_found", `${base} cannot be reached`, {
      hint: "Without a network, copy the files and use philab import.",
      cause: error,
    });
  });
  if (response.status === 404)
    throw new LabError("not_found", `the hub has no ${name} at ${revision}`);
  if (!response.ok)
    throw new LabError("bad_input", `${name} may not be read (status ${response.status})`, {
      hint: "Set HF_TOKEN, and accept the model's licence on its page.",
    });
  const listing = listingSchema.safeParse(await response.json().catch(() => undefined));
  if (!listing.success)
    throw new LabError("corrupt_file", `${url} answers with what is no list of files`);
  const { sha: commit, siblings, cardData } = listing.data;
  const patterns = include.map(asPattern);
  const files = siblings
    .filter(({ rfilename }) => patterns.some((one) => one.test(rfilename)))
    .map(({ rfilename, size, blobId, lfs }): HubFile => ({
      path: rfilename,
      url: `${base}/${name}/resolve/${commit}/${rfilename.split("/").map(encodeURIComponent).join("/")}`,
      sizeBytes: lfs?.size ?? size,
      sha256: lfs?.sha256,
      gitSha1: lfs === undefined ? blobId : undefined,
    }));
  const unsafe = files.find((file) => !isSafe(file.path));
  if (unsafe !== undefined)
    throw new LabError("corrupt_file", `${name} has a file named ${JSON.stringify(unsafe.path)}`, {
      hint: "Such a name could leave its folder. Choose other files with --include.",
    });
  if (files.length === 0)
    throw new LabError("not_found", `${name} has no file that is called ${include.join(", ")}`, {
      hint: `It has ${siblings
        .slice(0, 12)
        .map(({ rfilename }) => rfilename)
        .join(", ")}. Choose with --include.`,
    });
  return { commit, licence: cardData?.license, files };
}

/** Names that stay inside a folder, on every system. */
function isSafe(name: string): boolean {
  const parts = name.split("/");
  return parts.every((part) => /^[\w][\w.@+ -]*$/.test(part) && !part.endsWith("."));
}

function asPattern(text: string): RegExp {
  const escaped = text.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^(?:.*/)?${escaped}$`);
}
