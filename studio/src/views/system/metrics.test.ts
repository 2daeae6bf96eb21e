import { expect, it } from "vitest";
import { byLabel, parseMetrics } from "./metrics.ts";

const TEXT = `# HELP philab_requests_total Requests answered
# TYPE philab_requests_total counter
philab_requests_total{path="/v1/models",status="200"} 3
philab_requests_total{path="/v1/models",status="404"} 2
philab_requests_total{path="/health",status="200"} 1
# HELP philab_uptime_seconds Since the server started
philab_uptime_seconds 12.5
philab_steps_total{model="a \\"b\\" {c}"} 7
`;

it("reads the server's counters, and adds them up by a label", () => {
  const metrics = parseMetrics(TEXT);
  expect([...byLabel(metrics, "philab_requests_total", "path")]).toEqual([
    ["/v1/models", 5],
    ["/health", 1],
  ]);
  expect(metrics.samples.find(({ name }) => name === "philab_uptime_seconds")?.value).toBe(12.5);
  expect(byLabel(metrics, "philab_steps_total", "model").get('a "b" {c}')).toBe(7);
});
