/** What the server says of itself: the machine, the queues, what happened. */
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { ModelAtWork } from "../../src/server/lab/system.ts";
import type { MachineFacts, MachineSpeed } from "../../src/server/lab/machine.ts";
import type { LogLine } from "../../src/server/recent-log.ts";
import { philab } from "../support/cli.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** A busy machine takes its time. */
const PATIENT = { timeout: 60_000 };
const KEY = "sesame-4321";
const SECRET = "the queen of the moon sleeps";
const headers = { authorization: `Bearer ${KEY}` };

interface System {
  machine: MachineFacts;
  speed: MachineSpeed | null;
  models: ModelAtWork[];
  runs: { working: string | null; waiting: string[] };
  log: LogLine[];
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ apiKey: KEY });
});
afterAll(async () => server[Symbol.asyncDispose]());

const system = async (): Promise<System> => {
  const response = await fetch(`${server.url}/v1/lab/system`, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as System;
};
const ask = async (more: object): Promise<Response> =>
  server.post("/v1/completions", { model: "phi-micro", prompt: SECRET, ...more }, headers);

it("names the processor, the engine and the kernels as `philab doctor` does, and no path or setting", async () => {
  const argv = ["doctor", "--no-measure", "--json", "--threads", "1", "--device", "cpu"];
  const { out } = await philab(argv, { cwd: server.home });
  const doctor = JSON.parse(out) as MachineFacts;
  const { machine, speed } = await system();
  expect(machine.cpu).toEqual(doctor.cpu);
  expect(machine.kernels).toEqual(doctor.kernels);
  expect(machine.engine).toEqual(doctor.engine);
  expect(machine).not.toHaveProperty("settings");
  expect(speed).toBeNull();
});

it("tells which requests are in work and which wait", async () => {
  const answer = ask({ max_tokens: 480, n: 128, logit_bias: { "0": -100 } });
  await vi.waitFor(async () => {
    const [model] = (await system()).models;
    expect(model).toMatchObject({ id: "phi-micro", calls: 1, active: 4 });
    expect(model?.waiting).toBeGreaterThan(0);
    expect(model?.residentBytes).toBeGreaterThan(0);
  }, PATIENT);
  const pid = server.fleet.loaded.get("phi-micro")?.model.pid ?? 0;
  process.kill(pid, "SIGKILL");
  expect((await answer).status).toBe(503);
});

it("keeps why a process ended, and neither the key nor what anybody asked", async () => {
  expect((await ask({ max_tokens: 1 })).status).toBe(200);
  const found = await system();
  const ended = found.log.find(({ message }) => message === "model process ended");
  expect(ended?.facts).toMatchObject({ model: "phi-micro", cause: "SIGKILL" });
  expect(found.log.at(-1)?.message).toBe("model loaded");
  expect(found.models[0]?.restarts).toBe(1);
  const text = JSON.stringify(found);
  expect(text).not.toContain(KEY);
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain(server.home);
});
