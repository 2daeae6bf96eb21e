/** Prometheus' text format, as far as the server writes it. */
export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

export interface Metrics {
  samples: readonly Sample[];
}

export function parseMetrics(text: string): Metrics {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = /^([a-z_]\w*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, key = "", quoted = ""]) => [key, quoted.replace(/\\(.)/g, "$1")] as const,
    );
    samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return { samples };
}

/** The values of a metric by one of its labels. */
export function byLabel({ samples }: Metrics, name: string, label: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const sample of samples) {
    const key = sample.labels[label];
    if (sample.name === name && key !== undefined)
      found.set(key, (found.get(key) ?? 0) + sample.value);
  }
  return found;
}
