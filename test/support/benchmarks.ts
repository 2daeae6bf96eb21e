/** The real benchmark files, which lie beside the repository where they may be had; the project does not copy them. */
import { existsSync } from "node:fs";
import path from "node:path";
import { PACKAGE_ROOT } from "../../src/base/package.ts";

/** Where their README describes their forms. */
export const BENCHMARKS = path.join(PACKAGE_ROOT, "..", "shared", "benchmarks");
export const hasBenchmarks = existsSync(BENCHMARKS);
