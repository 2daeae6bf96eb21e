/**
 * Python functions as sequences of what matters in their syntax trees: kinds of nodes, operators, literals, and the names that
 * a paraphrase cannot change (attributes, built-in functions, imported modules). Other names, docstrings, comments,
 * annotations and parentheses are gone.
 */
import type { Tree, TreeCursor } from "@vscode/tree-sitter-wasm";

/** A function, twice: as it is written, and with everything whose order is free in one order. */
export interface Unit {
  name: string;
  /** Its source text. */
  text: string;
  written: Int32Array;
  sorted: Int32Array;
}

interface Node {
  type: string;
  field: string | null;
  named: boolean;
  /** Of leaves. */
  text: string;
  children: Node[];
  startIndex: number;
  endIndex: number;
}

const DROPPED = new Set(["comment", "type", "line_continuation", "type_conversion"]);
/** Nodes that only hold others: CPython's trees have none of them. */
const TRANSPARENT = new Set([
  ...["module", "block", "expression_statement", "parenthesized_expression", "argument_list"],
  ...[
    "expression_list",
    "pattern_list",
    "with_clause",
    "with_item",
    "string_end",
    "as_pattern_target",
  ],
]);
const OPERATORS = new Set(
  "+ - * / // % ** @ << >> & | ^ ~ < <= == != >= > <> and or not in is += -= *= /= //= %= **= &= |= ^= <<= >>= async await yield".split(
    " ",
  ),
);
const COMMUTATIVE = new Set(["+", "*", "&", "|", "^", "==", "!=", "and", "or"]);
/** Comparisons as those the other way round. */
const MIRRORED: Readonly<Record<string, string>> = { ">": "<", ">=": "<=" };
const ORDERED = new Set(["<", "<="]);
const BUILTINS = new Set(
  "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict dir divmod enumerate eval exec filter float format frozenset getattr hasattr hash hex id input int isinstance issubclass iter len list map max min next object oct open ord pow print property range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip ValueError TypeError KeyError IndexError Exception StopIteration NotImplementedError True False None".split(
    " ",
  ),
);

/** Numbers for tokens, given out as they are met; shared by everything that is to be compared. */
export class Vocabulary {
  readonly #ids = new Map<string, number>();

  id(token: string): number {
    let id = this.#ids.get(token);
    if (id === undefined) this.#ids.set(token, (id = this.#ids.size));
    return id;
  }
}

/** All functions of a program, inner ones too, or the program itself where it has none. */
export function unitsOf(tree: Tree, text: string, vocabulary: Vocabulary): Unit[] {
  const cursor = tree.walk();
  const root = readNode(cursor, text);
  cursor.delete();
  const imported = importedNames(root);
  const functions: Node[] = [];
  visit(root, (node) => {
    if (node.type === "function_definition") functions.push(node);
  });
  const chosen = functions.length > 0 ? functions : [root];
  return chosen.map((node) => {
    const fixed = (name: string): boolean => imported.has(name) || BUILTINS.has(name);
    const assigned = assignedNames(node);
    const keeps = (name: string): boolean => fixed(name) && !assigned.has(name);
    const number = (tokens: readonly string[]): Int32Array =>
      Int32Array.from(tokens, (token) => vocabulary.id(token));
    return {
      name: node.children.find(({ field }) => field === "name")?.text ?? "",
      text: text.slice(node.startIndex, node.endIndex),
      written: number(tokensOf(node, { keeps, isSorted: false })),
      sorted: number(tokensOf(node, { keeps, isSorted: true })),
    };
  });
}

function readNode(cursor: TreeCursor, text: string): Node {
  const node: Node = {
    type: cursor.nodeType,
    field: cursor.currentFieldName,
    named: cursor.nodeIsNamed,
    text: "",
    children: [],
    startIndex: cursor.startIndex,
    endIndex: cursor.endIndex,
  };
  if (!cursor.gotoFirstChild()) {
    node.text = text.slice(node.startIndex, node.endIndex);
    return node;
  }
  do node.children.push(readNode(cursor, text));
  while (cursor.gotoNextSibling());
  cursor.gotoParent();
  return node;
}

function visit(node: Node, use: (node: Node) => void): void {
  use(node);
  for (const child of node.children) visit(child, use);
}

function importedNames(root: Node): Set<string> {
  const names = new Set<string>();
  visit(root, (node) => {
    if (node.type !== "import_statement" && node.type !== "import_from_statement") return;
    visit(node, ({ type, text }) => {
      if (type === "identifier") names.add(text);
    });
  });
  return names;
}

/** Names that a function gives values to, which may hide built-in ones. */
function assignedNames(root: Node): Set<string> {
  const names = new Set<string>();
  const add = (node: Node): void => {
    if (node.type === "identifier") names.add(node.text);
    else if (node.type !== "attribute" && node.type !== "subscript") node.children.forEach(add);
  };
  visit(root, (node) => {
    if (node.type === "parameters" || node.type === "lambda_parameters")
      for (const child of node.children) addParameter(child, add);
    for (const child of node.children)
      if (child.field === "left" && /assignment|for_/.test(node.type)) add(child);
  });
  return names;
}

function addParameter(node: Node, add: (node: Node) => void): void {
  const [first] = node.children.filter(({ named }) => named);
  add(node.type === "identifier" ? node : (first ?? node));
}

interface Reading {
  keeps: (name: string) => boolean;
  isSorted: boolean;
}

function tokensOf(node: Node, reading: Reading): string[] {
  const { type, named, text, children } = node;
  if (DROPPED.has(type) || isDocstring(node)) return [];
  if (type === "identifier")
    return [node.field !== "attribute" && !reading.keeps(text) ? "id" : text];
  if (type === "integer" || type === "float") return [text.toLowerCase()];
  if (type === "string_content" || type === "escape_sequence") return [`s:${text}`];
  if (!named) return OPERATORS.has(type) ? [type] : [];
  if (reading.isSorted && (type === "block" || type === "module"))
    return sortedParts(children, reading).flat();
  const operands = reading.isSorted ? sortedOperands(node, reading) : undefined;
  if (operands !== undefined) return operands;
  const inner = children.flatMap((child) => tokensOf(child, reading));
  if (TRANSPARENT.has(type) || type === "string_start") return inner;
  if (children.length === 0) return [text === "" ? type : `${type}:${text}`];
  const kind = typed(type);
  return kind === "" ? inner : [kind, ...inner];
}

/** A parameter with an annotation is one without. */
function typed(type: string): string {
  return type === "typed_default_parameter"
    ? "default_parameter"
    : type === "typed_parameter"
      ? ""
      : type;
}

function isDocstring({ type, children }: Node): boolean {
  return type === "expression_statement" && children.length === 1 && children[0]?.type === "string";
}

function sortedParts(nodes: readonly Node[], reading: Reading): string[][] {
  const parts = nodes.map((node) => tokensOf(node, reading)).filter((part) => part.length > 0);
  return parts
    .map((part) => ({ part, key: part.join(" ") }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ part }) => part);
}

/** `b + a` as `a + b`, `x > y` as `y < x`; undefined for what has no such order. */
function sortedOperands(node: Node, reading: Reading): string[] | undefined {
  const { type } = node;
  if (!/^(binary_operator|boolean_operator|comparison_operator)$/.test(type)) return undefined;
  const operator = node.children.find(({ type: t }) => OPERATORS.has(t))?.type ?? "";
  const operands = node.children.filter(({ named, type: t }) => named && !OPERATORS.has(t));
  if (type === "comparison_operator" && operands.length !== 2) return undefined;
  const mirrored = MIRRORED[operator];
  if (mirrored !== undefined)
    return [type, mirrored, ...[...operands].reverse().flatMap((o) => tokensOf(o, reading))];
  if (ORDERED.has(operator))
    return [type, operator, ...operands.flatMap((operand) => tokensOf(operand, reading))];
  if (!COMMUTATIVE.has(operator)) return undefined;
  const all = type === "comparison_operator" ? operands : flattened(node, operator);
  return [type, operator, ...sortedParts(all, reading).flat()];
}

/** Operands of a chain of one operator: three of `a + b + c`. */
function flattened(node: Node, operator: string): Node[] {
  const inside = node.type === "parenthesized_expression" ? node.children[1] : undefined;
  const open = inside ?? node;
  const own = open.children.find(({ type }) => OPERATORS.has(type))?.type;
  if (!/^(binary|boolean)_operator$/.test(open.type) || own !== operator) return [node];
  return open.children.filter(({ named }) => named).flatMap((child) => flattened(child, operator));
}
