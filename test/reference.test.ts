/** The reference of the library: what `npm run docs` makes of the doc comments of all that the package exports. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Application, LogLevel, Logger, ReflectionKind, type DeclarationReflection } from "typedoc";
import { expect, it } from "vitest";
import { PACKAGE_ROOT } from "../src/base/package.ts";

/** Where what is not exported stands: `internalModule` of typedoc.json. */
const BEHIND = "types behind these";

class Warnings extends Logger {
  readonly list: string[] = [];
  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.list.push(message);
  }
}

it("every exported function and class says what it does, and every link leads somewhere", async () => {
  const app = await Application.bootstrapWithPlugins({
    options: path.join(PACKAGE_ROOT, "typedoc.json"),
  });
  const logger = new Warnings();
  app.logger = logger;
  const project = await app.convert();
  if (project === undefined) throw new Error(logger.list.join("\n"));
  app.validate(project);
  expect(logger.list).toEqual([]);

  const isSaid = ({ comment, signatures = [] }: DeclarationReflection): boolean =>
    comment !== undefined || signatures.some((signature) => signature.comment !== undefined);
  const silent = project
    .getReflectionsByKind(ReflectionKind.Function | ReflectionKind.Class)
    .filter((reflection) => !isSaid(reflection as DeclarationReflection))
    .map((reflection) => reflection.getFriendlyFullName());
  // What stands behind the exported types is linked to, not offered.
  expect(silent.filter((name) => !name.includes(BEHIND))).toEqual([]);

  // Every subpath of the package is a part of it.
  const { exports } = JSON.parse(readFileSync(path.join(PACKAGE_ROOT, "package.json"), "utf8")) as {
    exports: Record<string, unknown>;
  };
  const names = Object.keys(exports)
    .filter((name) => !name.endsWith(".json"))
    .map((name) => path.posix.join("philab", name));
  expect(project.children?.map(({ name }) => name).sort()).toEqual(names.sort());
});
