/** Every endpoint. */
import { LabError } from "../base/errors.ts";
import { defineRoute, JSON_TYPE, type Route } from "./http/route.ts";
import { CATALOG_ROUTES } from "./lab/catalog.ts";
import { DATA_COMPARE_ROUTES } from "./lab/data-compare.ts";
import { DATA_ROUTES } from "./lab/data.ts";
import { FEATURE_ROUTES } from "./lab/features.ts";
import { LAB_ROUTES } from "./lab/inspect.ts";
import { RUN_ROUTES } from "./lab/runs.ts";
import { SAFETY_ROUTES } from "./lab/safety.ts";
import { SYSTEM_ROUTES } from "./lab/system.ts";
import { chat } from "./openai/chat.ts";
import { completions } from "./openai/completions.ts";
import { embeddings } from "./openai/embeddings.ts";
import { listModels, loadModel, removeModel, showModel, unloadModel } from "./openai/models.ts";
import { detokenize, tokenize } from "./openai/tokenize.ts";
import { openApiDocument } from "./openapi.ts";

const health = defineRoute({
  method: "GET",
  path: "/health",
  summary: "Whether the server answers: 200, or 503 while the first model is being loaded",
  answers: [JSON_TYPE],
  async handle({ fleet }) {
    const models = [...fleet.loaded].map(([id, { model }]) => ({ id, state: model.state }));
    if (
      models.some(({ state }) => state === "loading") &&
      !models.some(({ state }) => state === "ready")
    )
      throw new LabError("engine_failed", "Loading model");
    return Promise.resolve(Response.json({ status: "ok", models }));
  },
});

const metrics = defineRoute({
  method: "GET",
  path: "/metrics",
  summary: "Counters for Prometheus",
  answers: ["text/plain"],
  async handle({ fleet, metrics: found }) {
    return Promise.resolve(
      new Response(found.render(fleet), {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      }),
    );
  },
});

const openapi = defineRoute({
  method: "GET",
  path: "/openapi.json",
  summary: "This document",
  answers: [JSON_TYPE],
  async handle() {
    return Promise.resolve(Response.json(openApiDocument(ROUTES)));
  },
});

export const ROUTES: readonly Route[] = [
  ...[completions, chat, embeddings, listModels, showModel, loadModel, unloadModel],
  ...[removeModel, tokenize, detokenize, health, metrics, openapi],
  ...LAB_ROUTES,
  ...FEATURE_ROUTES,
  ...RUN_ROUTES,
  ...CATALOG_ROUTES,
  ...DATA_ROUTES,
  ...DATA_COMPARE_ROUTES,
  ...SYSTEM_ROUTES,
  ...SAFETY_ROUTES,
];
