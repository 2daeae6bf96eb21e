/** Models in the store, through the command line. */
import { appendFile, chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CARDS, memoryOf } from "../../src/catalog/cards.ts";
import { json, philab } from "../support/cli.ts";
import { fixture } from "../support/golden.ts";
import { startHub } from "../support/hub.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "philab-store-"));
});
afterEach(async () => rm(cwd, { recursive: true, force: true }));

const blobs = async (): Promise<string[]> =>
  readdir(path.join(cwd, "models", "@blobs")).catch((): string[] => []);
const run = async (...argv: string[]) => philab([...argv, "--json"], { cwd });

describe("the store", () => {
  it("takes a model in, runs it, checks it, and keeps bytes once", async () => {
    const lineage = ["--base", "phi-1.5", "--data", "tales", "--recipe", "run-7"];
    expect((await run("import", fixture("phi-mini"), "--name", "one", ...lineage)).exit).toBe(0);
    const kept = await blobs();
    expect((await run("import", fixture("phi-mini"), "--name", "two")).exit).toBe(0);
    expect(await blobs()).toEqual(kept);
    const { models } = json(await run("list")) as { models: { name: string; lineage: unknown }[] };
    expect(models.map(({ name }) => name)).toEqual(["one", "two"]);
    expect(models[0]?.lineage).toEqual([
      { what: "recipe", from: "run-7" },
      { what: "data", from: "tales" },
      { what: "base", from: "phi-1.5" },
    ]);
    expect((await run("run", "--model", "one", "--tokens", "1,2,3", "-n", "2")).exit).toBe(0);
    expect((await run("verify", "one")).exit).toBe(0);
    expect(json(await run("remove", "one"))).toMatchObject({ freedBytes: 0 });
    expect((await run("verify", "two")).exit).toBe(0);
    const { freedBytes } = json(await run("remove", "two")) as { freedBytes: number };
    expect(freedBytes).toBeGreaterThan(0);
    expect(await blobs()).toEqual([]);
  });

  it("says which file is not what it was", async () => {
    await run("import", fixture("phi-mini"), "--name", "one");
    const file = path.join(cwd, "models", "one", "model.safetensors");
    await chmod(file, 0o644);
    await appendFile(file, "x");
    const { exit, out } = await run("verify", "one");
    expect(exit).toBe(3);
    expect(out).toContain("model.safetensors");
  });

  it("takes adapters too, and nothing that it cannot read", async () => {
    expect((await run("import", fixture("peft/plain"), "--name", "plain")).exit).toBe(0);
    expect((await stat(path.join(cwd, "adapters", "plain", "adapter_config.json"))).isFile()).toBe(
      true,
    );
    await writeFile(path.join(cwd, "bad.gguf"), "GGUF and then nothing");
    expect((await run("import", "bad.gguf")).exit).toBe(2);
    expect((await run("import", fixture("phi-mini"), "--name", "../out")).exit).toBe(2);
    expect(json(await run("list"))).toMatchObject({ models: [{ kind: "adapter", name: "plain" }] });
  });

  it("is filled by pull, from a hub at another address", async () => {
    await using hub = await startHub({ "config.json": Buffer.from("{}") });
    const pulled = await philab(["pull", "o/r", "--endpoint", hub.url, "--json"], { cwd });
    expect(pulled.exit).toBe(0);
    expect((await run("verify", "hf:o/r")).exit).toBe(0);
    const { exit, err } = await philab(["pull", "o/missing", "--endpoint", hub.url], { cwd });
    expect(exit).toBe(2);
    expect(err).toContain("o/missing");
    expect((await run("pull", "phi-micro")).exit).toBe(2);
  });
});

describe("cards", () => {
  it("stand beside each other with their published scores", async () => {
    const { exit, out } = await philab(["compare", "phi-2", "llama-2-7b"], { cwd });
    expect(exit).toBe(0);
    expect(out).toMatch(/phi2_bbh\s+59\.2 %\s+40\.0 %/);
    const { err } = await philab(["compare", "phi-2", "phi-3"], { cwd });
    expect(err).toContain("there is no card of phi-3");
    const { out: shown } = await philab(["show", "--model", "phi-micro"], { cwd });
    expect(shown).toMatch(/^Data: .+\n\nFor: .+\n\nLimits: .+/m);
    const missing = await philab(["show", "--model", "phi-2"], { cwd });
    expect(missing.err).toContain("philab pull phi-2 fetches it.");
  });

  it("stand beside models of the store, with what those were made of and how fast they are here", async () => {
    const lineage = ["--base", "phi-2", "--data", "tiny-textbooks"];
    await run("import", fixture("phi-mini"), "--name", "mine", ...lineage);
    const { exit, out } = await philab(["compare", "phi-2", "mine"], { cwd });
    expect(exit).toBe(0);
    expect(out).toMatch(/^data +tiny-textbooks$/m);
    expect((await philab(["show", "--model", "mine"], { cwd })).out).toMatch(/^base +phi-2$/m);
    const { models } = json(await run("compare", "phi-2", "mine", "--speed")) as {
      models: { card: object | null; parameters: number; speed: object | null }[];
    };
    expect(models[0]).toMatchObject({ parameters: 2_779_683_840, speed: null });
    expect(models[1]).toMatchObject({
      ...{ card: null, parameters: 165_888 },
      architecture: { kind: "phi", layers: 2 },
      speed: { read: expect.any(Number) as number, write: expect.any(Number) as number },
    });
  });

  it("count the parameters that their shapes have", () => {
    const counts = CARDS.filter(({ architecture }) => architecture.kind === "phi").map(
      ({ parameters, architecture: { layers, width, mlpWidth, vocabulary } }) => {
        const block =
          4 * width * width + 4 * width + 2 * width * mlpWidth + mlpWidth + width + 2 * width;
        return parameters - (2 * vocabulary * width + vocabulary + 2 * width + layers * block);
      },
    );
    expect(counts).toEqual([0, 0, 0, 0, 0]);
    const llama = CARDS.filter(({ architecture }) =>
      ["llama", "mistral"].includes(architecture.kind),
    ).map(
      ({
        parameters,
        architecture: { layers, width, mlpWidth, vocabulary, heads, keyValueHeads },
      }) => {
        const block =
          2 * width * width * (1 + keyValueHeads / heads) + 3 * width * mlpWidth + 2 * width;
        return parameters - (2 * vocabulary * width + width + layers * block);
      },
    );
    expect(llama).toEqual([0, 0, 0]);
    const gpt2 = CARDS.filter(({ architecture }) => architecture.kind === "gpt2").map(
      ({ parameters, architecture: { layers, width, vocabulary, context } }) =>
        parameters -
        ((vocabulary + context) * width + 2 * width + layers * (12 * width * width + 13 * width)),
    );
    expect(gpt2).toEqual([0, 0, 0, 0]);
  });

  it("know what Phi-2 takes: 640 MiB of cache at its whole context", () => {
    const card = CARDS.find(({ id }) => id === "phi-2");
    if (card === undefined) throw new Error("no card of Phi-2");
    const [none, all] = [memoryOf(card, 0), memoryOf(card, 2048)];
    expect((all["f16"] ?? 0) - (none["f16"] ?? 0)).toBe(640 * 2 ** 20);
    expect(none["f16"]).toBe(2 * card.parameters);
  });
});
