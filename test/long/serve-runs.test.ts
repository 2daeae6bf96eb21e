/** Runs through the server that make what other runs need. */
import { expect, it } from "vitest";
import { beginRun, watchRun } from "../support/server-runs.ts";
import { startServer } from "../support/server.ts";

it("material from the grammars becomes a data set by its name", async () => {
  await using server = await startServer();
  const { id } = await beginRun(server, "synth", {
    name: "sums",
    characters: 2_000,
    shares: { arithmetic: 1 },
  });
  await watchRun(server, id);
  const { data } = (await (await fetch(`${server.url}/v1/lab/data`)).json()) as { data: object[] };
  expect(data).toContainEqual({ name: "sums", kind: "folder" });
  const again = await server.post("/v1/lab/runs/synth", { name: "sums" });
  expect(again.status).toBe(400);
  const { id: trained } = await beginRun(server, "train", {
    ...{ data: ["sums"], initFrom: "phi-micro", maxSteps: 2, maxSeqLength: 32 },
    ...{ perDeviceTrainBatchSize: 2 },
  });
  await watchRun(server, trained);
  const text = await server.client.completions.create({
    ...{ model: trained, prompt: "What is", max_tokens: 2 },
  });
  expect(text.model).toBe(trained);
});
