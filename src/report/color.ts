/** Colours as numbers: sRGB ⇄ OKLab (Björn Ottosson, 2020), in which equal steps look equal, and WCAG contrast. */

/** `#rrggbb`. */
export type Hex = `#${string}`;

type Triple = readonly [number, number, number];

/** `steps` colours through `stops` at equal distances, even to the eye. */
export function ramp(stops: readonly Hex[], steps: number): Hex[] {
  const points = stops.map(toOklab);
  return Array.from({ length: steps }, (_, i) => {
    const at = steps === 1 ? 0 : (i / (steps - 1)) * (points.length - 1);
    const left = Math.min(Math.floor(at), points.length - 2);
    const [a, b] = [points[left], points[left + 1]];
    if (!a || !b) return stops[0] ?? "#000000";
    const t = at - left;
    return fromOklab([mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]);
  });
}

/** WCAG 2 contrast of two colours: 1 (equal) to 21 (black on white). */
export function contrast(a: Hex, b: Hex): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** OKLab lightness, 0 (black) to 1 (white). */
export function lightness(color: Hex): number {
  return toOklab(color)[0];
}

function luminance(color: Hex): number {
  const [r, g, b] = toLinear(color);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function toOklab(color: Hex): Triple {
  const [r, g, b] = toLinear(color);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([lightness, a, b]: Triple): Hex {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear: Triple = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return `#${linear.map(toByte).join("")}`;
}

function toLinear(color: Hex): Triple {
  const channel = (start: number): number => {
    const value = Number.parseInt(color.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

function toByte(linear: number): string {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  const byte = Math.round(Math.min(1, Math.max(0, value)) * 255);
  return byte.toString(16).padStart(2, "0");
}

function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}
