/** Runs of a server, for tests: begun, shown, watched to their end. */
import { expect } from "vitest";
import type { RunRecord } from "../../src/jobs/record.ts";
import { eventsOf, type TestServer } from "./server.ts";

export type Described = RunRecord & { answersAs: string | null };

export async function beginRun(server: TestServer, kind: string, body: object): Promise<Described> {
  const response = await server.post(`/v1/lab/runs/${kind}`, body);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as Described;
}

export async function showRun(server: TestServer, id: string): Promise<Described> {
  return (await (await fetch(`${server.url}/v1/lab/runs/${id}`)).json()) as Described;
}

/** What a run told, when it has ended. */
export async function watchRun(server: TestServer, id: string): Promise<Record<string, unknown>[]> {
  return eventsOf(await fetch(`${server.url}/v1/lab/runs/${id}/events`));
}
