/** The style of every report: calm, dense, in the reader's own fonts, light and dark by the reader's choice. */
import { tokensCss } from "./tokens.ts";

const SANS = `system-ui,"Segoe UI",Roboto,"Helvetica Neue",sans-serif`;
const MONO = `ui-monospace,"SF Mono","Cascadia Mono","DejaVu Sans Mono",Menlo,monospace`;

/** The drawings alone, for pages that have a layout of their own. */
export function plotCss(): string {
  return `${tokensCss()}
figure.plot{margin:0;min-width:0}
figure.plot figcaption{margin-bottom:.5rem}
figure.plot figcaption strong{font-weight:600}
figure.plot figcaption span{color:var(--muted)}
.stage{overflow-x:auto;outline-offset:3px}
.stage:focus-visible,.scroll:focus-visible,summary:focus-visible,button:focus-visible{outline:2px solid var(--accent)}
.stage svg{display:block;max-width:100%;height:auto;font-family:${SANS};font-variant-numeric:tabular-nums}
.stage svg.chart{min-width:30rem}
.stage svg.words{max-width:none}
.under{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:center;min-height:1.6rem;color:var(--muted);font-size:.8125rem}
.readout{flex:1;min-width:14rem;color:var(--ink);font-variant-numeric:tabular-nums;text-align:right;white-space:pre-wrap;overflow-wrap:anywhere}
.scale{display:inline-flex;gap:.4rem;align-items:center;font-variant-numeric:tabular-nums}
.scale svg{width:7rem;height:.6rem;border-radius:2px}
.scale rect,.plot path[class^=s],.plot path[class^=d],.ground{fill:var(--c)}
.tick{fill:var(--muted);font-size:11px}
.axis{fill:var(--muted);font-size:11px;font-weight:600}
.grid line{stroke:var(--rule);stroke-width:1}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.band{opacity:.16}
.name{font-size:12px;font-weight:600}
.label,.number{fill:var(--ink);font-size:12px}
.bar{fill:var(--series1)}.bar.muted{fill:var(--series6);opacity:.7}
.whisker{fill:none;stroke:var(--ink);stroke-width:1.2}
.reference{stroke:var(--ink);stroke-width:1;stroke-dasharray:4 3}
.value{fill:var(--on);font-size:11px;text-anchor:middle}
.value.zero{opacity:.35}
.cross{fill:none;stroke:var(--muted);stroke-width:1;vector-effect:non-scaling-stroke}
rect.cursor{fill:none;stroke:var(--accent);stroke-width:2.5;vector-effect:non-scaling-stroke}
line.cursor{stroke:var(--accent);stroke-width:1}
.tokens{font:13px/1.9 ${MONO};overflow-wrap:anywhere}
.token{white-space:pre-wrap;background:var(--c);color:var(--on);padding:.2em 0;border:solid transparent;border-width:2px 0;box-decoration-break:clone;box-shadow:1px 0 var(--paper)}
.token.none{color:var(--muted)}
.token.up{border-top-color:var(--ink)}.token.down{border-bottom-color:var(--ink)}
.token.at{outline:2px solid var(--accent);outline-offset:1px}
.stage svg.network{max-width:none}
.edge{fill:none;stroke:var(--series1);opacity:.4}.edge.minus{stroke:var(--series2);stroke-dasharray:5 3}
.focus .edge{opacity:.13}.edge.on,.focus .edge.on{opacity:.95}.edge.left-out{display:none}
.node{fill:var(--series3);stroke:var(--paper);stroke-width:1.5}.node.other{fill:var(--series4)}.node.rest{fill:var(--muted)}.node.end{fill:var(--ink)}
.node text{fill:var(--ink);stroke:none;font-size:10.5px}
.node.at,.node.chosen{stroke:var(--accent);stroke-width:3}.node.on{stroke:var(--ink)}
.node.g1{stroke:var(--series1)}.node.g2{stroke:var(--series2)}.node.g3{stroke:var(--series4)}.node.g4{stroke:var(--series5)}.node.g5{stroke:var(--bad)}.node.g6{stroke:var(--series6)}
.node[class*=" g"]{stroke-width:3}
.graph{min-width:0}.graph .stage{cursor:crosshair}
.graph .kept ul{list-style:none;margin:0;padding:0}.graph .kept li button{margin:.1rem .4rem .1rem 0}
.graph .kept h3{margin:.75rem 0 0;font-size:.9375rem}
.note{margin:.25rem 0;color:var(--muted);font-size:.8125rem;max-width:60rem}
.plot details{margin-top:.25rem;font-size:.8125rem;color:var(--muted)}
.plot summary{cursor:pointer;width:max-content}
.scroll{overflow:auto;max-height:20rem;margin-top:.5rem}
button{font:inherit;color:var(--accent);background:none;border:1px solid var(--rule);border-radius:4px;padding:.1rem .6rem;margin:.4rem 0 0;cursor:pointer}
button:disabled{opacity:.4;cursor:default}
input,select{font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--rule);border-radius:4px;padding:.1rem .4rem}
.blurred:not(:has(.reveal:checked)) .entry pre{filter:blur(.35em);user-select:none}
.entry{border-top:1px solid var(--rule);padding-top:.25rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;color:var(--ink)}
th,td{padding:.15rem .7rem .15rem 0;text-align:left;border-bottom:1px solid var(--rule);vertical-align:top}
td+td,th+td{text-align:right}
thead th{position:sticky;top:0;background:var(--paper);color:var(--muted);font-weight:600}
tbody th{font-weight:400}
`;
}

/** A whole report. */
export function pageCss(): string {
  return `${plotCss()}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:.9375rem/1.5 ${SANS}}
main{max-width:61rem;margin:0 auto;padding:2rem 1.5rem 3rem}
header{border-bottom:1px solid var(--rule);padding-bottom:1rem;margin-bottom:1.75rem}
h1{font-size:1.5rem;line-height:1.25;margin:0;letter-spacing:-.01em}
h2{font-size:1.0625rem;margin:2.25rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--rule)}
header+section h2{margin-top:0;padding-top:0;border-top:0}
p{max-width:46rem;margin:.5rem 0}
.subtitle{color:var(--muted);margin:.25rem 0 0}
code,pre{font-family:${MONO};font-size:.8125rem}
pre{overflow:auto;background:var(--surface);padding:.75rem 1rem;border-radius:4px;white-space:pre-wrap;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.6rem 1.25rem;margin:1rem 0 0;font-size:.8125rem}
.facts div{min-width:0}
.facts dt{color:var(--muted)}
.facts dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.facts .wide{grid-column:1/-1}
.figures{display:grid;gap:1.75rem;min-width:0}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr));gap:1.5rem}
footer{margin-top:2.5rem;padding-top:.75rem;border-top:1px solid var(--rule);color:var(--muted);font-size:.8125rem}
@media print{details,.readout{display:none}main{padding:0;max-width:none}}
`;
}
