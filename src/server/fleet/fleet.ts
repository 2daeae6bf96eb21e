/** The models that are loaded: which are, within how much memory, and for how long nobody needs them. */
import { LabError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import type { Device, Mode } from "../../base/settings.ts";
import type { AdapterFiles } from "../worker/model-host.ts";
import { type Inventory, type ServedModel } from "./inventory.ts";
import { SupervisedModel, type SupervisorEvents } from "./supervised-model.ts";

export interface FleetOptions {
  mode: Mode;
  device: Device;
  threads?: number;
  slots: number;
  maxWaiting: number;
  contextLength?: number;
  /** Bytes that all loaded models may take together. */
  memoryBytes: number;
  /** A model that nobody asks for so long is unloaded; 0 for never. */
  idleMs: number;
}

interface Loaded {
  model: SupervisedModel;
  sizeBytes: number;
}

const LOOK_EVERY_MS = 1_000;

export class Fleet {
  readonly inventory: Inventory;
  readonly options: FleetOptions;
  readonly #events: SupervisorEvents;
  readonly #loaded = new Map<string, Loaded>();
  readonly #timer: NodeJS.Timeout | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(inventory: Inventory, options: FleetOptions, events: SupervisorEvents) {
    this.inventory = inventory;
    this.options = options;
    this.#events = events;
    if (options.idleMs <= 0) return;
    const everyMs = Math.min(LOOK_EVERY_MS, options.idleMs);
    this.#timer = setInterval(() => void this.#unloadIdle(), everyMs).unref();
  }

  get loaded(): ReadonlyMap<string, Loaded> {
    return this.#loaded;
  }

  /** The model that a request names, loaded. */
  async use(
    name: string | undefined,
  ): Promise<{ model: SupervisedModel; adapter: AdapterFiles | null }> {
    const { model, adapter } = await this.inventory.find(name);
    const loaded = await this.#load(model);
    loaded.hold();
    return { model: loaded, adapter };
  }

  async unload(id: string): Promise<boolean> {
    const found = this.#loaded.get(id);
    if (found === undefined) return false;
    this.#loaded.delete(id);
    await found.model.stop();
    this.#events.log("model unloaded", { model: id });
    return true;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#loaded.keys()].map((id) => this.unload(id)));
  }

  /** One at a time, so that two do not take the same memory. */
  #load(served: ServedModel): Promise<SupervisedModel> {
    const found = this.#loaded.get(served.id);
    if (found !== undefined && found.model.state !== "failed") return Promise.resolve(found.model);
    const loading = this.#queue.then(() => this.#loadNow(served));
    this.#queue = loading.catch(() => undefined);
    return loading;
  }

  async #loadNow(served: ServedModel): Promise<SupervisedModel> {
    const found = this.#loaded.get(served.id);
    if (found !== undefined && found.model.state !== "failed") return found.model;
    this.#loaded.delete(served.id);
    const sizeBytes = await this.#estimate(served);
    await this.#makeRoom(sizeBytes, served.id);
    const { mode, device, threads, slots, maxWaiting, contextLength } = this.options;
    const { reference } = served;
    const { adapter: _adapter, ...plain } = reference;
    const model = new SupervisedModel(
      served.id,
      {
        ...{ reference: plain, mode, device, slots, maxWaiting },
        ...(threads === undefined ? {} : { threads }),
        ...(contextLength === undefined ? {} : { contextLength }),
      },
      this.#events,
    );
    this.#loaded.set(served.id, { model, sizeBytes });
    return model;
  }

  /** Weights, and every cache full. */
  async #estimate(served: ServedModel): Promise<number> {
    const { weightBytes, parameters, contextLength, cacheBytesPerToken } =
      await this.inventory.facts(served);
    const { mode, slots } = this.options;
    const tokens = slots * Math.min(contextLength, this.options.contextLength ?? Infinity);
    return mode === "reference"
      ? 4 * parameters + 2 * tokens * cacheBytesPerToken
      : weightBytes + tokens * cacheBytesPerToken;
  }

  async #makeRoom(sizeBytes: number, id: string): Promise<void> {
    const { memoryBytes } = this.options;
    if (sizeBytes > memoryBytes)
      throw new LabError(
        "out_of_memory",
        `${id} takes ${formatBytes(sizeBytes)}; models may take ${formatBytes(memoryBytes)}`,
        { hint: "Start the server with a larger --memory, a smaller --context or fewer --slots." },
      );
    for (;;) {
      const used = [...this.#loaded.values()].reduce((sum, one) => sum + one.sizeBytes, 0);
      if (used + sizeBytes <= memoryBytes) return;
      const [idle] = [...this.#loaded.values()]
        .filter(({ model }) => model.load === 0)
        .sort((a, b) => b.model.idleMs - a.model.idleMs);
      if (idle === undefined)
        throw new LabError("busy", `there is no room for ${id} while other models are at work`, {
          hint: "Ask again when they have answered.",
        });
      await this.unload(idle.model.id);
    }
  }

  async #unloadIdle(): Promise<void> {
    for (const [id, { model }] of this.#loaded)
      if (model.idleMs > this.options.idleMs) await this.unload(id);
  }
}
