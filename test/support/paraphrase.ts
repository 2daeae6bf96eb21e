/** Python programs said in other words, by Python's own parser in the sandbox: renamed, reformatted, reordered. */
import type { PythonSandbox } from "../../src/sandbox/index.ts";

const PARAPHRASE = `
import ast, json, random, warnings

warnings.simplefilter("ignore")

class Rename(ast.NodeTransformer):
    def __init__(self, names): self.names = names
    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id); return node
    def visit_arg(self, node):
        node.arg = self.names.get(node.arg, node.arg); node.annotation = None; return node
    def visit_FunctionDef(self, node):
        node.name = self.names.get(node.name, node.name); node.returns = None
        self.generic_visit(node)
        if ast.get_docstring(node) is not None and len(node.body) > 1: node.body = node.body[1:]
        return node
    def visit_keyword(self, node):
        self.generic_visit(node)
        if node.arg in self.own_arguments: node.arg = self.names.get(node.arg, node.arg)
        return node

def bound(tree):
    names, imported, arguments = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)): names.add(node.name)
        elif isinstance(node, ast.arg): names.add(node.arg); arguments.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store): names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            imported.update((a.asname or a.name).split(".")[0] for a in node.names)
    return names - imported, arguments

def names_in(node, kind=None):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and (kind is None or isinstance(n.ctx, kind))}

def simple(node):
    return isinstance(node, ast.Assign) and not any(isinstance(n, (ast.Call, ast.Attribute, ast.Subscript)) for n in ast.walk(node))

class Reorder(ast.NodeTransformer):
    def __init__(self, rng): self.rng = rng
    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)) and self.rng.random() < 0.5:
            node.left, node.right = node.right, node.left
        return node
    def visit_Compare(self, node):
        self.generic_visit(node)
        flip = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}
        if len(node.ops) == 1 and type(node.ops[0]) in flip and self.rng.random() < 0.5:
            node.left, node.comparators, node.ops = node.comparators[0], [node.left], [flip[type(node.ops[0])]()]
        return node
    def visit_BoolOp(self, node):
        self.generic_visit(node)
        if self.rng.random() < 0.5: node.values = node.values[::-1]
        return node
    def generic_visit(self, node):
        super().generic_visit(node)
        for field in ("body", "orelse"):
            body = getattr(node, field, None)
            if not isinstance(body, list): continue
            if isinstance(node, ast.Module):
                functions = [s for s in body if isinstance(s, ast.FunctionDef)]
                if len(functions) == len(body): self.rng.shuffle(body)
            for i in range(len(body) - 1):
                a, b = body[i], body[i + 1]
                if simple(a) and simple(b) and not names_in(a, ast.Store) & names_in(b) and not names_in(b, ast.Store) & names_in(a):
                    body[i], body[i + 1] = b, a
        return node

def paraphrase(code, seed):
    rng = random.Random(seed)
    tree = ast.parse(code)
    names, arguments = bound(tree)
    words = "alpha beta gamma delta omega sigma kappa theta zeta iota lambda_ mu nu xi rho tau".split()
    rename = Rename({n: f"{rng.choice(words)}{i}" for i, n in enumerate(sorted(names)) if not n.startswith("__")})
    rename.own_arguments = arguments
    tree = rename.visit(tree)
    tree = ast.fix_missing_locations(Reorder(rng).visit(tree))
    lines = []
    for line in ast.unparse(tree).split("\\n"):
        indent = len(line) - len(line.lstrip())
        if rng.random() < 0.15: lines.append(" " * (indent // 2) + "# " + rng.choice(["now this", "careful", "next step"]))
        lines.append(" " * (indent // 2) + line.lstrip() + ("  # done" if rng.random() < 0.1 and "\\\\" not in line else ""))
        if rng.random() < 0.1 and indent: lines.append("")
    text = "\\n".join(lines) + "\\n"
    ast.parse(text)
    return text
`;

/** What the sandbox keeps of a program's output. */
const PIECE = 3_500;

/**
 * The program in other words. Undefined where Python itself does not parse it.
 *
 * @param seed - which of many paraphrases
 */
export async function paraphrase(
  sandbox: PythonSandbox,
  code: string,
  seed: number,
): Promise<string | undefined> {
  let text = "";
  for (;;) {
    const piece = `[${text.length}:${text.length + PIECE}]`;
    const call = `print('|' + json.dumps(paraphrase(${JSON.stringify(code)}, ${seed}))${piece} + '|')`;
    const { status, output } = await sandbox.run(`${PARAPHRASE}\n${call}\n`);
    if (status !== "passed") return undefined;
    const found = output.slice(output.indexOf("|") + 1, output.lastIndexOf("|"));
    text += found;
    if (found.length < PIECE) break;
  }
  return JSON.parse(text) as string;
}
