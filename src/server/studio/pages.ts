/**
 * The studio's pages: the files of a build, read once and kept. Requests choose among their names, so that no path of a request
 * reaches the disk. The pages hold nothing secret; what they ask `/v1` for needs the key.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { LabError } from "../../base/errors.ts";
import { PACKAGE_ROOT } from "../../base/package.ts";

/** Where the build lies in the package. */
const STUDIO_FOLDER = path.join(PACKAGE_ROOT, "dist", "studio");

/** What the pages' addresses begin with. */
export const STUDIO_PATH = "/studio/";

/** Own files and own answers only: no inline script or style, no other origin, no frame around it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  vary: "Accept-Encoding",
};

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Names of files below this have a hash of their content in them. */
const HASHED = "assets/";

interface Page {
  type: string;
  bytes: Uint8Array<ArrayBuffer>;
  gzip: Uint8Array<ArrayBuffer>;
  isHashed: boolean;
}

/** The pages by their names, such as `index.html`. */
export type Pages = ReadonlyMap<string, Page>;

/** @throws LabError `not_found` where the studio was not built */
export async function readPages(folder = STUDIO_FOLDER): Promise<Pages> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const pages = new Map<string, Page>();
  for (const found of names) {
    const file = path.join(folder, found);
    const type = TYPES[path.extname(file)];
    if (type === undefined || !(await stat(file)).isFile()) continue;
    const bytes = Uint8Array.from(await readFile(file));
    const name = found.split(path.sep).join("/");
    const gzip = Uint8Array.from(gzipSync(bytes, { level: 9 }));
    pages.set(name, { type, bytes, gzip, isHashed: name.startsWith(HASHED) });
  }
  if (pages.has("index.html")) return pages;
  throw new LabError("not_found", `the studio's pages are not there: ${folder}`, {
    hint: "Build them: npm run build.",
  });
}

/** The page that `asked` (a path) names, or undefined where it names none. */
export function pageAnswer(
  pages: Pages,
  { asked, acceptEncoding }: { asked: string; acceptEncoding: string },
): Response | undefined {
  if (!asked.startsWith(STUDIO_PATH)) return undefined;
  const page = pages.get(asked.slice(STUDIO_PATH.length) || "index.html");
  if (page === undefined) return undefined;
  const isZipped = /\bgzip\b/.test(acceptEncoding);
  return new Response(isZipped ? page.gzip : page.bytes, {
    headers: {
      ...HEADERS,
      "content-type": page.type,
      "cache-control": page.isHashed ? "public, max-age=31536000, immutable" : "no-cache",
      ...(isZipped ? { "content-encoding": "gzip" } : {}),
    },
  });
}
