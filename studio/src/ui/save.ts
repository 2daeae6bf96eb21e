/** Saving what is shown. */

export function saveFile(name: string, content: BlobPart, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function fileName(title: string, extension: string): string {
  return `${title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")}.${extension}`;
}

/** Rows as a CSV file (RFC 4180). */
export function saveCsv(name: string, rows: readonly (readonly (string | number)[])[]): void {
  const field = (value: string | number): string =>
    /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  saveFile(name, rows.map((row) => row.map(field).join(",")).join("\r\n"), "text/csv");
}

/** A painted drawing, its cells eight pixels large where it stays within 4096. */
export function saveCanvas(canvas: HTMLCanvasElement, title: string): void {
  const scale = Math.max(1, Math.min(8, Math.floor(4096 / Math.max(canvas.width, canvas.height))));
  const copy = document.createElement("canvas");
  copy.width = canvas.width * scale;
  copy.height = canvas.height * scale;
  const context = copy.getContext("2d");
  if (context === null) return;
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, copy.width, copy.height);
  copy.toBlob((blob) => {
    if (blob !== null) saveFile(fileName(title, "png"), blob, "image/png");
  });
}

const PAINT = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "opacity",
  "font-size",
  "font-weight",
  "font-family",
  "text-anchor",
];

/** A drawing as an SVG file that needs no style sheet: the colours of the theme that is shown. */
export async function savePicture(svg: SVGSVGElement, title: string): Promise<void> {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const [from, to] = [
    [svg, ...svg.querySelectorAll("*")],
    [copy, ...copy.querySelectorAll("*")],
  ];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    const target = to[i];
    for (const name of PAINT) target?.setAttribute(name, style.getPropertyValue(name));
    if (style.visibility === "hidden") target?.setAttribute("visibility", "hidden");
    target?.removeAttribute("class");
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  copy.prepend(ground);
  saveFile(fileName(title, "svg"), new XMLSerializer().serializeToString(copy), "image/svg+xml");
}
