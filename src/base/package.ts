/** Where this package lies and which version it is; the same from `src/` and from `dist/`, both one level below its root. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json and `models/`; ends without a separator. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

let version: string | undefined;

/** philab's own version, from package.json. */
export function packageVersion(): string {
  version ??= (
    JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    }
  ).version;
  return version;
}
