/**
 * Makes layered graphs readable: the pointer or the arrow keys move over their nodes, whose edges then stand out; a click or Enter
 * keeps a node and lists its strongest edges. One self-contained function, written into every report and called by the studio, hence
 * no imports and no outer names.
 */

/** As much of the DOM as the function uses. */
interface Part {
  textContent: string | null;
  hidden: boolean;
  value: string;
  readonly dataset: Record<string, string | undefined>;
  readonly classList: { toggle(name: string, on: boolean): void };
  querySelector(selector: string): Part | null;
  querySelectorAll(selector: string): Iterable<Part>;
  closest(selector: string): Part | null;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  getBoundingClientRect(): { left: number; top: number; width: number; height: number };
  scrollLeft: number;
  addEventListener(type: string, listener: (event: GraphEvent) => void): void;
  dispatchEvent(event: object): boolean;
  replaceChildren(...parts: Part[]): void;
  append(...parts: (Part | string)[]): void;
  focus(): void;
}

interface GraphEvent {
  clientX: number;
  clientY: number;
  key: string;
  preventDefault(): void;
}

/** Makes every graph under `root` readable. Call it once for each. A node that is kept is told by the event `graphchoose`. */
export function attachGraphs(root: { querySelectorAll(selector: string): Iterable<Part> }): void {
  interface Data {
    reading: {
      chosen: number;
      nodes: {
        id: string;
        column: number;
        row: number;
        x: number;
        y: number;
        label: string;
        details: string[];
      }[];
      edges: [source: number, target: number, weight: number][];
    };
  }
  /** How near, in the drawing's own units, the pointer must be. */
  const REACH = 16;
  const LISTED = 8;
  const browser = globalThis as unknown as {
    document: { createElement(name: string): Part };
    CustomEvent: new (name: string, options: object) => object;
  };
  const format = (value: number): string => String(Number(value.toPrecision(3))).replace("-", "−");

  for (const graph of root.querySelectorAll(".graph")) {
    const figure = graph.querySelector("figure.plot");
    const stage = graph.querySelector(".stage");
    const svg = graph.querySelector(".stage svg");
    const readout = graph.querySelector(".readout");
    const source = graph.querySelector('script[type="application/json"]');
    if (!figure || !stage || !svg || !readout || !source) continue;
    const { nodes, edges, chosen } = (JSON.parse(source.textContent ?? "") as Data).reading;
    const shapes = [...svg.querySelectorAll(".node")];
    const lines = [...svg.querySelectorAll(".edge")];
    const own: number[][] = nodes.map(() => []);
    edges.forEach(([from, to], e) => {
      own[from]?.push(e);
      own[to]?.push(e);
    });
    let lit: { lines: number[]; nodes: number[] } = { lines: [], nodes: [] };
    let at = -1;
    let kept = -1;
    /** Edges before this one are too weak to be shown: the strongest are drawn last. */
    let first = 0;

    const light = (node: number): void => {
      for (const e of lit.lines) lines[e]?.classList.toggle("on", false);
      for (const n of lit.nodes) shapes[n]?.classList.toggle("on", false);
      const found = (own[node] ?? []).filter((e) => e >= first);
      const near = found.flatMap((e) => edges[e]?.slice(0, 2) ?? []);
      lit = { lines: found, nodes: node < 0 ? [] : [node, ...near] };
      for (const e of lit.lines) lines[e]?.classList.toggle("on", true);
      for (const n of lit.nodes) shapes[n]?.classList.toggle("on", true);
      graph.classList.toggle("focus", node >= 0);
    };
    /** The strongest edges into a node, or out of it. */
    const strongest = (node: number, side: 0 | 1): { node: number; weight: number }[] =>
      (own[node] ?? [])
        .filter((e) => e >= first && edges[e]?.[side === 0 ? 1 : 0] === node)
        .map((e) => ({ node: edges[e]?.[side] ?? 0, weight: edges[e]?.[2] ?? 0 }))
        .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
    const point = (node: number): void => {
      if (node === at) return;
      shapes[at]?.classList.toggle("at", false);
      at = node;
      shapes[at]?.classList.toggle("at", true);
      light(at >= 0 ? at : kept);
      const found = nodes[at];
      const [most] = at < 0 ? [] : strongest(at, 0);
      readout.textContent =
        found === undefined
          ? ""
          : [
              found.label,
              ...found.details,
              ...(most ? [`most from ${nodes[most.node]?.label}: ${format(most.weight)}`] : []),
            ].join(" · ");
    };
    const entry = ({ node, weight }: { node: number; weight: number }): Part => {
      const item = browser.document.createElement("li");
      const button = browser.document.createElement("button");
      button.setAttribute("type", "button");
      button.textContent = nodes[node]?.label ?? "";
      button.addEventListener("click", () => {
        keep(node);
        stage.focus();
      });
      item.append(button, ` ${format(weight)}`);
      return item;
    };
    const list = (): void => {
      const panel = graph.querySelector(".kept");
      if (!panel) return;
      panel.hidden = kept < 0;
      const [title, note] = [panel.querySelector("h3"), panel.querySelector(".note")];
      if (title) title.textContent = nodes[kept]?.label ?? "";
      if (note) note.textContent = (nodes[kept]?.details ?? []).join(" · ");
      for (const [name, side] of [
        [".sources", 0],
        [".targets", 1],
      ] as const)
        panel
          .querySelector(name)
          ?.replaceChildren(...strongest(kept, side).slice(0, LISTED).map(entry));
    };
    const keep = (node: number): void => {
      shapes[kept]?.classList.toggle("chosen", false);
      kept = node;
      shapes[kept]?.classList.toggle("chosen", true);
      light(at >= 0 ? at : kept);
      list();
      const detail = nodes[kept]?.id ?? "";
      figure.dispatchEvent(new browser.CustomEvent("graphchoose", { detail, bubbles: true }));
    };
    const locate = ({ clientX, clientY }: GraphEvent): number => {
      const box = svg.getBoundingClientRect();
      const [, , width = 1, height = 1] = (svg.getAttribute("viewBox") ?? "")
        .split(" ")
        .map(Number);
      const x = ((clientX - box.left) * width) / box.width;
      const y = ((clientY - box.top) * height) / box.height;
      let [nearest, distance] = [-1, REACH];
      nodes.forEach((node, i) => {
        const far = Math.hypot(node.x - x, node.y - y);
        if (far < distance) [nearest, distance] = [i, far];
      });
      return nearest;
    };
    /** Sideways to the next of the row; up and down to the nearest of the next row that has any. */
    const next = (dx: number, dy: number): number => {
      const from = nodes[at >= 0 ? at : kept];
      if (from === undefined) return nodes.length > 0 ? 0 : -1;
      const order = nodes.map((_, i) => i);
      const distance = (i: number): number =>
        dy === 0
          ? ((nodes[i]?.x ?? 0) - from.x) * dx + 1e-3 * Math.abs((nodes[i]?.y ?? 0) - from.y)
          : 1e5 * ((nodes[i]?.row ?? 0) - from.row) * dy + Math.abs((nodes[i]?.x ?? 0) - from.x);
      const fits = order.filter((i) => {
        const node = nodes[i];
        if (node === undefined || node === from) return false;
        return dy === 0 ? node.row === from.row && distance(i) > 0 : (node.row - from.row) * dy > 0;
      });
      return fits.reduce((best, i) => (distance(i) < distance(best) ? i : best), fits[0] ?? at);
    };

    const steps: Record<string, readonly [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, 1],
      ArrowDown: [0, -1],
    };
    stage.addEventListener("pointermove", (event) => point(locate(event)));
    stage.addEventListener("pointerleave", () => point(-1));
    stage.addEventListener("click", (event) => keep(locate(event)));
    stage.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (event.key === "Escape") {
        point(-1);
        keep(-1);
      } else if ((event.key === "Enter" || event.key === " ") && at >= 0) keep(at);
      else if (step) point(next(step[0], step[1]));
      else return;
      event.preventDefault();
    });
    const slider = graph.querySelector(".strongest");
    slider?.addEventListener("input", () => {
      first = edges.length - Number(slider.value);
      lines.forEach((line, e) => line.classList.toggle("left-out", e < first));
      const count = graph.querySelector(".count");
      if (count) count.textContent = slider.value;
      light(kept);
      list();
    });
    // What everything leads to stands in the last row: a wide drawing begins there.
    const last = nodes.reduce((top, node) => (top && top.row >= node.row ? top : node), nodes[0]);
    if (last) stage.scrollLeft = last.x - stage.getBoundingClientRect().width / 2;
    if (chosen >= 0) {
      kept = chosen;
      shapes[kept]?.classList.toggle("chosen", true);
      light(kept);
      list();
    }
  }
}
