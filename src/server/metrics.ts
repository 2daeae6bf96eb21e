/** Counters in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
import type { Fleet } from "./fleet/fleet.ts";

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #startMs = performance.now();
  inFlight = 0;

  count(route: string, status: number): void {
    const key = `path="${route}",status="${status}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
  }

  /** Everything, with what the loaded models have counted since their processes began. */
  render(fleet: Fleet): string {
    const lines: string[] = [];
    const add = (
      name: string,
      type: "counter" | "gauge",
      help: string,
      values: [string, number][],
    ): void => {
      lines.push(`# HELP philab_${name} ${help}`, `# TYPE philab_${name} ${type}`);
      for (const [labels, value] of values)
        lines.push(`philab_${name}${labels === "" ? "" : `{${labels}}`} ${value}`);
    };
    const models = [...fleet.loaded];
    const perModel = (value: (one: (typeof models)[number][1]) => number): [string, number][] =>
      models.map(([id, one]) => [`model=${JSON.stringify(id)}`, value(one)]);
    add("requests_total", "counter", "Requests answered", [...this.#requests]);
    add("requests_in_flight", "gauge", "Requests being answered", [["", this.inFlight]]);
    add("uptime_seconds", "gauge", "Since the server started", [
      ["", (performance.now() - this.#startMs) / 1000],
    ]);
    add(
      "prompt_tokens_total",
      "counter",
      "Tokens of prompts computed",
      perModel(({ model }) => model.counts?.promptTokens ?? 0),
    );
    add(
      "cached_tokens_total",
      "counter",
      "Tokens of prompts found in a cache",
      perModel(({ model }) => model.counts?.cachedTokens ?? 0),
    );
    add(
      "generated_tokens_total",
      "counter",
      "Tokens generated",
      perModel(({ model }) => model.counts?.generatedTokens ?? 0),
    );
    add(
      "steps_total",
      "counter",
      "Forward passes of batches",
      perModel(({ model }) => model.counts?.steps ?? 0),
    );
    add(
      "model_restarts_total",
      "counter",
      "Times that a model's process ended and was started again",
      perModel(({ model }) => model.restarts),
    );
    add(
      "model_memory_bytes",
      "gauge",
      "Estimated memory of a loaded model",
      perModel(({ sizeBytes }) => sizeBytes),
    );
    return `${lines.join("\n")}\n`;
  }
}
