/** Syntax trees of code (tree-sitter in WebAssembly): exact for whole files, and fast enough for a corpus. */
import { createRequire } from "node:module";
import path from "node:path";
import type { Parser as TreeParser, Tree } from "@vscode/tree-sitter-wasm";
import { LabError } from "../base/errors.ts";

/** Languages with a grammar, by the names that documents have, and the grammars' files. */
const GRAMMARS: Readonly<Record<string, string>> = {
  "c++": "cpp",
  "c-sharp": "c-sharp",
  go: "go",
  java: "java",
  javascript: "javascript",
  php: "php",
  python: "python",
  ruby: "ruby",
  rust: "rust",
  shell: "bash",
  tsx: "tsx",
  typescript: "typescript",
};

/** Nodes that only an older Python knew. */
const PYTHON_2 = new Set(["print_statement", "exec_statement"]);

export class SyntaxParser implements Disposable {
  readonly #parser: TreeParser;

  private constructor(parser: TreeParser) {
    this.#parser = parser;
  }

  /** Whether there is a grammar for a language. */
  static knows(language: string): boolean {
    return Object.hasOwn(GRAMMARS, language);
  }

  /** Throws `unsupported` for a language without a grammar. */
  static async open(language: string): Promise<SyntaxParser> {
    const grammar = GRAMMARS[language];
    if (grammar === undefined) throw new LabError("unsupported", `no grammar for ${language}`);
    // It is a CommonJS module whose names Node cannot tell before it has run.
    const require = createRequire(import.meta.url);
    const { Parser, Language } =
      require("@vscode/tree-sitter-wasm") as typeof import("@vscode/tree-sitter-wasm");
    await Parser.init();
    const folder = path.dirname(require.resolve("@vscode/tree-sitter-wasm"));
    const parser = new Parser();
    parser.setLanguage(await Language.load(path.join(folder, `tree-sitter-${grammar}.wasm`)));
    return new SyntaxParser(parser);
  }

  /** Calls `use` with the tree of a text, which is gone afterwards. */
  withTree<T>(text: string, use: (tree: Tree) => T): T {
    const tree = this.#parser.parse(text);
    if (tree === null) throw new LabError("internal", "internal: a parser without a language");
    try {
      return use(tree);
    } finally {
      tree.delete();
    }
  }

  /**
   * Whether the grammar fits the whole text. Grammars are a little wider than compilers: they know no scopes, and Python's
   * takes a body that is not indented. Python 2's statements do not pass.
   */
  parses(text: string): boolean {
    return this.withTree(text, ({ rootNode }) => {
      if (rootNode.hasError) return false;
      if (!/\b(?:print|exec)\b/.test(text)) return true;
      return rootNode.descendantsOfType([...PYTHON_2]).length === 0;
    });
  }

  [Symbol.dispose](): void {
    this.#parser.delete();
  }
}
