/** `/v1/lab/system`: what computes, what is at work, what waits, and what happened. */
import { freemem, totalmem } from "node:os";
import type { Fleet } from "../fleet/fleet.ts";
import { defineRoute, JSON_TYPE, type Route } from "../http/route.ts";

/** A loaded model: its process, its memory, and who waits for it. */
export interface ModelAtWork {
  id: string;
  state: string;
  pid: number | null;
  restarts: number;
  /** What the server sets aside for it. */
  reservedBytes: number;
  /** What its process held in memory when it last said so; mapped files are a part. */
  residentBytes: number | null;
  /** Requests that it has not yet answered. */
  calls: number;
  /** Texts in its batch, and texts that wait for a slot in it. */
  active: number;
  waiting: number;
}

function modelsAtWork(fleet: Fleet): ModelAtWork[] {
  return [...fleet.loaded].map(([id, { model, sizeBytes }]) => ({
    ...{ id, state: model.state, pid: model.pid ?? null, restarts: model.restarts },
    ...{ reservedBytes: sizeBytes, residentBytes: model.residentBytes ?? null, calls: model.load },
    ...{ active: model.counts?.active ?? 0, waiting: model.counts?.waiting ?? 0 },
  }));
}

const system = defineRoute({
  method: "GET",
  path: "/v1/lab/system",
  summary:
    "Engine, processor, kernels; memory, queues, runs at work; the last lines of the server's log, without what they quote",
  answers: [JSON_TYPE],
  async handle({ fleet, machine, log, runs }) {
    const { memoryBytes, slots, maxWaiting, idleMs, mode } = fleet.options;
    return Response.json({
      machine: await machine.facts(),
      speed: machine.speed ?? null,
      memory: { totalBytes: totalmem(), freeBytes: freemem(), allowedBytes: memoryBytes },
      limits: { slots, maxWaiting, idleMs, mode },
      models: modelsAtWork(fleet),
      runs: runs.queue.ids,
      log: log.lines,
    });
  },
});

const measure = defineRoute({
  method: "POST",
  path: "/v1/lab/system/measure",
  summary: "Measure memory bandwidth and the speed of products, as philab doctor does",
  answers: [JSON_TYPE],
  async handle({ fleet, machine }) {
    const load = (): number => modelsAtWork(fleet).reduce((sum, { calls }) => sum + calls, 0);
    return Response.json(await machine.measure(load));
  },
});

export const SYSTEM_ROUTES: readonly Route[] = [system, measure];
