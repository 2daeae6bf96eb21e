/**
 * The graph that a circuit is a part of: which parts of a Phi write to the stream, which read it, and so who can tell whom
 * something. In a parallel block attention and MLP read the same stream: no head has an edge to the MLP of its layer.
 *
 *   sources: input, a{l}.h{n} (heads), m{l} (MLPs)
 *   targets: a{l}.h{n}<q|k|v>, m{l}, logits
 *
 * Names are those of EAP-IG (Hanna et al. 2024, arXiv 2403.17806): `input->a0.h0<q>`. A Phi of L layers and N heads has
 * Σ_l (1 + l·(N+1))·(3N+1) + 1 + L·(N+1) edges: 886,597 in Phi-1.5.
 */
import { LabError } from "../../base/errors.ts";
import { didYouMean } from "../../base/suggest.ts";
import type { PhiConfig } from "../../model/config.ts";

const PORTS = ["q", "k", "v"] as const;

export interface CircuitTarget {
  name: string;
  /** L for the logits. */
  layer: number;
  /** The part that reads; undefined for the logits. */
  node: string | undefined;
  /** How many sources come before: it reads these, the first of all. */
  sources: number;
  /** Where its edges begin among all. */
  start: number;
}

export interface CircuitGraph {
  /** What writes to the stream, in the order of computation. */
  sources: readonly string[];
  /** Layer by layer: queries, keys, values of all heads, the MLP; last the logits. */
  targets: readonly CircuitTarget[];
  /** How many edges there are: target by target, each from its first source on. */
  edges: number;
}

/** The edges that a Phi of this shape has. */
export function circuitGraph({
  layers,
  heads,
  mlpWidth,
}: Pick<PhiConfig, "layers" | "heads" | "mlpWidth">): CircuitGraph {
  const sources = ["input"];
  const targets: CircuitTarget[] = [];
  let edges = 0;
  const read = (name: string, layer: number, node: string | undefined): void => {
    targets.push({ name, layer, node, sources: sources.length, start: edges });
    edges += sources.length;
  };
  for (let l = 0; l < layers; l++) {
    const names = Array.from({ length: heads }, (_, n) => `a${l}.h${n}`);
    for (const port of PORTS) for (const name of names) read(`${name}<${port}>`, l, name);
    const hasMlp = mlpWidth > 0;
    if (hasMlp) read(`m${l}`, l, `m${l}`);
    sources.push(...names, ...(hasMlp ? [`m${l}`] : []));
  }
  read("logits", layers, undefined);
  return { sources, targets, edges };
}

/** `a0.h1->m2` */
export function edgeName(graph: CircuitGraph, edge: number): string {
  const target = targetOf(graph, edge);
  return `${graph.sources[edge - target.start]}->${target.name}`;
}

/** What an edge leads to. */
function targetOf({ targets }: CircuitGraph, edge: number): CircuitTarget {
  const found = targets.findLast(({ start }) => start <= edge);
  if (found === undefined || edge - found.start >= found.sources)
    throw new LabError("internal", `internal: no edge ${edge}`);
  return found;
}

/** @throws LabError `bad_input` for an edge that this model does not have, saying why where it can */
export function edgeOf(graph: CircuitGraph, name: string): number {
  const [from = "", to = "", ...more] = name.split("->");
  const source = graph.sources.indexOf(from);
  const target = graph.targets.find((own) => own.name === to);
  if (more.length === 0 && source >= 0 && target !== undefined && source < target.sources)
    return target.start + source;
  const reason =
    source < 0
      ? didYouMean(from, graph.sources)
      : target === undefined
        ? didYouMean(
            to,
            graph.targets.map((own) => own.name),
          )
        : `${to} reads the stream before ${from} writes to it.`;
  throw new LabError("bad_input", `there is no edge ${name}`, {
    hint: reason ?? "Edges are called input->a0.h0<q>, a0.h1->m2, m3->logits.",
  });
}

/**
 * A circuit without what leads nowhere: of its edges those that lie on a way from the input to the logits.
 *
 * @param kept - one value for each edge, not 0 for those of the circuit
 */
export function connected(graph: CircuitGraph, kept: Uint8Array): Uint8Array {
  const { sources, targets } = graph;
  const ports = new Map<string, CircuitTarget[]>();
  for (const target of targets)
    if (target.node !== undefined)
      ports.set(target.node, [...(ports.get(target.node) ?? []), target]);
  const has = (target: CircuitTarget, source: number): boolean => kept[target.start + source] !== 0;
  // Forwards: who hears of the input.
  const hears = new Set<string>(["input"]);
  for (const source of sources.slice(1))
    for (const target of ports.get(source) ?? [])
      for (let s = 0; s < target.sources; s++)
        if (has(target, s) && hears.has(sources[s] as string)) hears.add(source);
  // Backwards: who is heard by the logits.
  const heard = new Set<string>();
  for (const target of [...targets].reverse()) {
    if (target.node !== undefined && !heard.has(target.node)) continue;
    for (let s = 0; s < target.sources; s++) if (has(target, s)) heard.add(sources[s] as string);
  }
  const result = new Uint8Array(graph.edges);
  for (const target of targets)
    for (let s = 0; s < target.sources; s++) {
      const from = sources[s] as string;
      const leads = target.node === undefined || heard.has(target.node);
      if (has(target, s) && leads && hears.has(from)) result[target.start + s] = 1;
    }
  return result;
}

/** The parts that an edge of a circuit begins or ends at. */
export function nodesOf(graph: CircuitGraph, kept: Uint8Array): Set<string> {
  const nodes = new Set<string>();
  for (const target of graph.targets)
    for (let s = 0; s < target.sources; s++)
      if (kept[target.start + s] !== 0) {
        nodes.add(graph.sources[s] as string);
        nodes.add(target.node ?? "logits");
      }
  return nodes;
}
