/** Where this package lies and which version it is; the same from `src/` and from `dist/`, both one level below its root. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json and `models/`; ends without a separator. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

interface Manifest {
  version: string;
  optionalDependencies: Readonly<Record<string, string>>;
}

let manifest: Manifest | undefined;

function readManifest(): Manifest {
  const file = new URL("../../package.json", import.meta.url);
  manifest ??= JSON.parse(readFileSync(file, "utf8")) as Manifest;
  return manifest;
}

/** philab's own version, from package.json. */
export function packageVersion(): string {
  return readManifest().version;
}

/** The version of the engine's packages that philab was built for; all of them have the same. */
export function enginePackageVersion(): string {
  return Object.values(readManifest().optionalDependencies)[0] ?? "latest";
}
