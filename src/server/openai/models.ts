/** `/v1/models`: what can be asked for, and what its files say. */
import { LabError } from "../../base/errors.ts";
import { Store } from "../../catalog/store.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { ServedModel } from "../fleet/inventory.ts";
import { defineRoute, JSON_TYPE } from "../http/route.ts";

async function describe(fleet: Fleet, served: ServedModel): Promise<object> {
  // A damaged file is listed as what it is; only asking it fails.
  const facts = await fleet.inventory.facts(served).catch((error: unknown) => LabError.from(error));
  const loaded = fleet.loaded.get(served.id);
  const about =
    facts instanceof LabError
      ? { error: facts.toJSON() }
      : {
          n_params: facts.parameters,
          n_ctx: Math.min(facts.contextLength, fleet.options.contextLength ?? Infinity),
          n_ctx_train: facts.contextLength,
          n_layers: facts.layers,
          n_heads: facts.heads,
          types: facts.types,
          size: facts.weightBytes,
        };
  return {
    ...{ id: served.id, object: "model", created: 0, owned_by: served.reference.source },
    meta: { ...about, state: loaded?.model.state ?? "unloaded" },
  };
}

export const listModels = defineRoute({
  method: "GET",
  path: "/v1/models",
  summary: "The models that can be asked for, and the adapters",
  answers: [JSON_TYPE],
  async handle({ fleet }) {
    const [models, adapters] = await Promise.all([
      fleet.inventory.list(),
      fleet.inventory.adapters(),
    ]);
    const data = await Promise.all(models.map((served) => describe(fleet, served)));
    return Response.json({ object: "list", data, adapters: adapters.map(({ name }) => name) });
  },
});

export const showModel = defineRoute({
  method: "GET",
  path: "/v1/models/:id",
  summary: "One model",
  answers: [JSON_TYPE],
  async handle({ fleet, params }) {
    const { model } = await fleet.inventory.find(params["id"]);
    return Response.json(await describe(fleet, model));
  },
});

export const loadModel = defineRoute({
  method: "POST",
  path: "/v1/models/:id/load",
  summary: "Load a model before it is asked for anything",
  answers: [JSON_TYPE],
  async handle({ fleet, params }) {
    const { model } = await fleet.use(params["id"]);
    await model.facts();
    return Response.json(await describe(fleet, (await fleet.inventory.find(params["id"])).model));
  },
});

export const unloadModel = defineRoute({
  method: "POST",
  path: "/v1/models/:id/unload",
  summary: "Free a model's memory; requests under way fail",
  answers: [JSON_TYPE],
  async handle({ fleet, params }) {
    const { model } = await fleet.inventory.find(params["id"]);
    await fleet.unload(model.id);
    return Response.json(await describe(fleet, model));
  },
});

export const removeModel = defineRoute({
  method: "DELETE",
  path: "/v1/models/:id",
  summary: "Remove a model from the store, and the bytes that no other model has",
  answers: [JSON_TYPE],
  async handle({ fleet, params, runs }) {
    const { model } = await fleet.inventory.find(params["id"]);
    const { id } = model;
    const store = new Store(runs.folders.models);
    const stored = (await store.list()).find(({ name }) => name === id);
    const why = fleet.inventory.isGiven(id)
      ? "the server was started with it"
      : stored === undefined
        ? "it is none of the store's"
        : stored.manifest === undefined
          ? "a person put it there"
          : undefined;
    if (stored === undefined || why !== undefined)
      throw new LabError("unsupported", `${id} is not removed: ${why}`, {
        hint: "What was fetched, imported or quantised can be.",
      });
    await fleet.unload(id);
    const freedBytes = await store.remove(stored);
    fleet.inventory.forget(model);
    return Response.json({ id, object: "model", deleted: true, freed_bytes: freedBytes });
  },
});
