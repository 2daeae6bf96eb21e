/**
 * The shape of the code, read from its imports: who may import whom, which packages belong to which layer, what the
 * command line loads before it knows the command, and how long a file may be. A change of the architecture is a change
 * of the tables in this file.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const UP_TO_GENERATE = [
  "base",
  "engine",
  "kernels",
  "tensor",
  "tokenizer",
  "checkpoint",
  "model",
  "generate",
];
const BENCH = [...UP_TO_GENERATE, "jobs", "report", "sandbox", "endpoint"];
const CATALOG = [...BENCH, "interpret", "features", "safety", "train", "data", "evaluate"];

/** A layer is a folder of src/ (or a file directly in it); each may import itself and what stands after it here. */
const LAYERS: Record<string, readonly string[]> = {
  base: [],
  engine: ["base", "kernels"],
  kernels: ["base"],
  tensor: ["base", "engine", "kernels"],
  tokenizer: ["base"],
  checkpoint: ["base", "engine", "tensor"],
  model: ["base", "engine", "kernels", "tensor", "tokenizer", "checkpoint"],
  generate: ["base", "engine", "tensor", "tokenizer", "checkpoint", "model"],
  jobs: ["base"],
  report: ["base"],
  sandbox: ["base"],
  endpoint: ["base"],
  interpret: BENCH,
  features: [...BENCH, "interpret", "train"],
  train: BENCH,
  data: BENCH,
  evaluate: BENCH,
  safety: [...BENCH, "interpret", "train", "evaluate"],
  catalog: CATALOG,
  server: [...CATALOG, "catalog", "open"],
  open: [...CATALOG, "catalog"],
  cli: [...CATALOG, "catalog", "server", "open"],
  index: [...CATALOG, "catalog", "open"],
};

/** Packages that only these layers may import; any package that is not listed is open to all. */
const PACKAGES: Record<string, readonly string[]> = {
  koffi: ["engine", "kernels"],
  commander: ["cli"],
};

/** The studio sees the server through HTTP only: of src/ it takes drawings, formats and, as types, what endpoints say. */
const STUDIO_MAY_RUN = [
  ...["base", "report", "generate/prompt.ts", "evaluate/known-prompts.ts"],
  "safety/stand-ins.ts",
];

const MAX_LINES = 350;

const SOURCE = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "src");

interface Import {
  /** What stands between the quotes. */
  specifier: string;
  /** The file it names, relative to src/; undefined for a package. */
  file: string | undefined;
  lazy: boolean;
  typeOnly: boolean;
}

interface SourceFile {
  /** Relative to src/, with forward slashes. */
  name: string;
  layer: string;
  lines: number;
  imports: Import[];
  exportsDefault: boolean;
}

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .map((name) => name.split(path.sep).join("/"))
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .sort()
  .map(readSource);
const byName = new Map(files.map((file) => [file.name, file]));

describe("layers", () => {
  test("every folder of src/ is in the table", () => {
    expect(files.filter(({ layer }) => !(layer in LAYERS)).map(({ name }) => name)).toEqual([]);
  });

  test("the table itself has no cycle", () => {
    expect(findCycles(new Map(Object.entries(LAYERS)))).toEqual([]);
  });

  test("imports go only where the table allows", () => {
    const forbidden = files.flatMap((file) =>
      file.imports.flatMap(({ file: target, specifier }) => {
        if (target === undefined) return [];
        const layer = layerOf(target);
        return layer === file.layer || LAYERS[file.layer]?.includes(layer) === true
          ? []
          : [`src/${file.name}: ${file.layer} → ${layer} (imports ${specifier})`];
      }),
    );
    expect(forbidden).toEqual([]);
  });

  test("packages with a home are imported only there", () => {
    const forbidden = files.flatMap((file) =>
      file.imports.flatMap(({ specifier, file: target }) => {
        const homes = target === undefined ? PACKAGES[packageOf(specifier)] : undefined;
        return homes === undefined || homes.includes(file.layer)
          ? []
          : [`src/${file.name}: ${file.layer} → ${specifier} (only ${homes.join(", ")} may)`];
      }),
    );
    expect(forbidden).toEqual([]);
  });

  test("every import names a file that is there", () => {
    const missing = files.flatMap((file) =>
      file.imports
        .filter(({ file: target }) => target !== undefined && !byName.has(target))
        .map(({ specifier }) => `src/${file.name}: ${specifier}`),
    );
    expect(missing).toEqual([]);
  });

  // Two types may know each other; two modules that need each other to start may not.
  test("no file imports itself through others", () => {
    const graph = new Map(
      files.map(({ name, imports }) => [
        name,
        imports.flatMap(({ file, typeOnly }) => (typeOnly ? [] : (file ?? []))),
      ]),
    );
    expect(findCycles(graph)).toEqual([]);
  });
});

describe("the studio", () => {
  const studio = path.join(SOURCE, "..", "studio", "src");
  const names = readdirSync(studio, { recursive: true, encoding: "utf8" })
    .map((name) => name.split(path.sep).join("/"))
    .filter((name) => /\.(ts|svelte)$/.test(name) && !name.endsWith(".test.ts"));

  test("runs nothing of src/ but drawings, formats and prompts", () => {
    const forbidden = names.flatMap((name) => {
      const text = readFileSync(path.join(studio, name), "utf8");
      const imports = text.matchAll(/^\s*import (?!type )[^;]*?"([^"]*\/src\/[^"]+)"/gm);
      return [...imports].flatMap(([, specifier = ""]) => {
        const target = specifier.slice(specifier.indexOf("/src/") + "/src/".length);
        const isAllowed = STUDIO_MAY_RUN.some((allowed) => target.startsWith(allowed));
        return isAllowed ? [] : [`studio/src/${name}: ${target}`];
      });
    });
    expect(names.length).toBeGreaterThan(10);
    expect(forbidden).toEqual([]);
  });

  test("asks the server in one place only", () => {
    const asking = names.filter(
      (name) =>
        !name.startsWith("api/") && /\bfetch\(/.test(readFileSync(path.join(studio, name), "utf8")),
    );
    expect(asking).toEqual([]);
  });

  test(`has files of at most ${MAX_LINES} lines`, () => {
    const long = names.filter(
      (name) => readFileSync(path.join(studio, name), "utf8").split("\n").length > MAX_LINES + 1,
    );
    expect(long).toEqual([]);
  });
});

describe("the command line starts fast", () => {
  test("commands are imported only when they are called", () => {
    const eager = files.flatMap((file) =>
      file.imports
        .filter(({ file: target, lazy }) => target?.startsWith("cli/commands/") === true && !lazy)
        .filter(() => !file.name.startsWith("cli/commands/"))
        .map(({ specifier }) => `src/${file.name}: ${specifier} is imported at the top`),
    );
    expect(eager).toEqual([]);
  });

  test("nothing but base, cli and commander is loaded before the command is known", () => {
    const heavy = new Set<string>();
    const queue = ["cli/main.ts", "cli/program.ts"];
    const seen = new Set(queue);
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      const file = byName.get(name);
      expect(file, `src/${name}`).toBeDefined();
      for (const { specifier, file: target, lazy, typeOnly } of file?.imports ?? []) {
        if (lazy || typeOnly) continue;
        const light =
          target === undefined
            ? /^(node:|commander$|picocolors$)/.test(specifier)
            : /^(base|cli)\//.test(target);
        if (!light) heavy.add(`src/${name}: ${specifier}`);
        else if (target !== undefined && !seen.has(target)) {
          seen.add(target);
          queue.push(target);
        }
      }
    }
    expect([...heavy]).toEqual([]);
  });
});

describe("files", () => {
  test(`are at most ${MAX_LINES} lines long`, () => {
    const long = files.filter(({ lines }) => lines > MAX_LINES);
    expect(long.map(({ name, lines }) => `src/${name}: ${lines} lines`)).toEqual([]);
  });

  test("export names, never a default", () => {
    expect(files.filter((f) => f.exportsDefault).map(({ name }) => `src/${name}`)).toEqual([]);
  });

  test("have names in kebab-case", () => {
    const odd = files.filter(
      ({ name }) => !/^([a-z0-9-]+\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name),
    );
    expect(odd.map(({ name }) => `src/${name}`)).toEqual([]);
  });
});

function readSource(name: string): SourceFile {
  const text = readFileSync(path.join(SOURCE, name), "utf8");
  const tree = ts.createSourceFile(name, text, ts.ScriptTarget.Latest);
  const imports: Import[] = [];
  const add = (node: ts.Node | undefined, kind: { lazy: boolean; typeOnly: boolean }): void => {
    if (!node || !ts.isStringLiteralLike(node)) return;
    const file = node.text.startsWith(".")
      ? path.posix.join(path.posix.dirname(name), node.text)
      : undefined;
    imports.push({ specifier: node.text, file, ...kind });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, {
        lazy: false,
        typeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
      });
    else if (ts.isExportDeclaration(node))
      add(node.moduleSpecifier, { lazy: false, typeOnly: node.isTypeOnly });
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], { lazy: true, typeOnly: false });
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, { lazy: false, typeOnly: true });
    ts.forEachChild(node, visit);
  };
  visit(tree);
  const exportsDefault = /^export (default\b|\{[^}]*\bas default\b)/m.test(text);
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return { name, layer: layerOf(name), lines, imports, exportsDefault };
}

/** `tensor/ops.ts` belongs to `tensor`, `index.ts` to `index`. */
function layerOf(name: string): string {
  return name.includes("/") ? name.slice(0, name.indexOf("/")) : name.replace(/\.ts$/, "");
}

/** `@scope/name/sub` is of the package `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Each cycle once, as `a → b → a`. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (name: string, trail: readonly string[]): void => {
    const start = trail.indexOf(name);
    if (start >= 0) cycles.push([...trail.slice(start), name].join(" → "));
    if (start >= 0 || done.has(name)) return;
    for (const next of graph.get(name) ?? []) walk(next, [...trail, name]);
    done.add(name);
  };
  for (const name of graph.keys()) walk(name, []);
  return cycles;
}
