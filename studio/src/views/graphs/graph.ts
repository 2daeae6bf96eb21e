/** An attribution graph as the view shows it: names of nodes, groups, edges of one node. */
import { formatNumber, formatPercent } from "../../../../src/base/format.ts";
import { visibleTokenText } from "../../../../src/report/figure.ts";
import type { LayeredNode } from "../../../../src/report/layered-graph.ts";
import type { AnsweredNode, GraphAnswer, ListedDictionary } from "../../api/features.ts";

/** Groups that nodes can be pinned to. */
export const GROUPS = [1, 2, 3, 4, 5, 6] as const;

export function nodeName({
  kind,
  layer,
  position,
  feature,
  token,
  probability,
}: AnsweredNode): string {
  switch (kind) {
    case "feature":
      return `L${layer} F${feature} at ${position}`;
    case "error":
      return `error L${layer} at ${position}`;
    case "token":
      return `${position} ${visibleTokenText(token ?? "")}`;
    case "logit":
      return `${visibleTokenText(token ?? "")} ${formatPercent(probability ?? 0)}`;
  }
}

/** Groups by node; what names no group is left out. */
export function parsePinned(pinned: readonly string[]): Map<string, number> {
  return new Map(
    pinned.flatMap((text) => {
      const [, id, group] = /^(.+)=([1-6])$/.exec(text) ?? [];
      return id === undefined ? [] : [[id, Number(group)] as const];
    }),
  );
}

/** The list with a node in a group, or in none. */
export function withPin(
  pinned: readonly string[],
  id: string,
  group: number | undefined,
): string[] {
  const others = pinned.filter((text) => !text.startsWith(`${id}=`));
  return group === undefined ? others : [...others, `${id}=${group}`];
}

export function drawnNodes(
  { nodes }: GraphAnswer,
  groups: ReadonlyMap<string, number>,
): LayeredNode[] {
  return nodes.map((node) => {
    const { id, kind, layer, position, activation, influence, token } = node;
    const group = groups.get(id);
    return {
      ...{ id, kind, layer, position, label: nodeName(node) },
      details: [
        `influence ${formatNumber(influence, 3)}`,
        ...(activation === undefined ? [] : [`activation ${formatNumber(activation, 3)}`]),
      ],
      ...(kind === "logit" ? { text: visibleTokenText(token ?? "") } : {}),
      ...(group === undefined ? {} : { group }),
    };
  });
}

/** The strongest edges of a node: what it reads, and who reads it. */
export function edgesOf(
  { links }: GraphAnswer,
  node: string,
  most: number,
): { sources: { id: string; weight: number }[]; targets: { id: string; weight: number }[] } {
  const strongest = (list: { id: string; weight: number }[]): { id: string; weight: number }[] =>
    list.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, most);
  return {
    sources: strongest(
      links.flatMap(({ source, target, weight }) =>
        target === node ? [{ id: source, weight }] : [],
      ),
    ),
    targets: strongest(
      links.flatMap(({ source, target, weight }) =>
        source === node ? [{ id: target, weight }] : [],
      ),
    ),
  };
}

/** One transcoder for each layer of a model: those that are named, else those that come with it, else the newest. */
export function chooseTranscoders(
  dictionaries: readonly ListedDictionary[],
  { named, model }: { named: readonly string[]; model: string },
): ListedDictionary[] {
  const fitting = dictionaries.filter(
    ({ kind, model: own, output }) =>
      kind === "transcoder" && own === model && /^blocks\.\d+\.hook_mlp_out$/.test(output),
  );
  if (named.length > 0) return fitting.filter(({ name }) => named.includes(name));
  const byLayer = new Map<string, ListedDictionary>();
  for (const one of fitting) {
    const known = byLayer.get(one.output);
    if (known === undefined || (known.source !== "bundled" && one.source === "bundled"))
      byLayer.set(one.output, one);
  }
  return [...byLayer.values()].sort((a, b) => a.output.localeCompare(b.output, "en"));
}
