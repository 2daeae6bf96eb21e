/** `philab sae`: from texts to a dictionary, and what it is worth. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { json, philab as run, type Ran } from "../support/cli.ts";
import { fixture } from "../support/golden.ts";

const cwd = mkdtempSync(path.join(tmpdir(), "philab-sae-cli-"));
afterAll(() => {
  rmSync(cwd, { recursive: true });
});
const philab = (...argv: string[]): Promise<Ran> => run(argv, { cwd });
const data = path.join(PACKAGE_ROOT, "docs", "interpret");

const TRAIN = [
  ...["sae", "train", "--data", data, "--hook", "blocks.1.hook_resid_post", "--k", "8"],
  ...["--training-tokens", "2048", "--train-batch-size-tokens", "256", "--round-tokens", "1024"],
  ...["--expansion-factor", "1", "--context-size", "32", "--eval-tokens", "150", "--val-size", "2"],
];

const NANO = ["--model", "phi-nano"];

describe("philab sae", () => {
  it("trains a dictionary, writes its files, its card and a report, and measures it again", async () => {
    const trained = await philab(...TRAIN, "--out", "own", "--json");
    expect(trained.exit, trained.err).toBe(0);
    const result = json(trained);
    expect(result).toMatchObject({ path: path.join(cwd, "own"), l0: 8 });
    expect(trained.err).toMatch(/step 8: l0 8, explained variance 0\.\d+/);
    expect(readFileSync(path.join(cwd, "own", "README.md"), "utf8")).toContain("PCA");
    const page = readFileSync(String(result["page"]), "utf8");
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain("Explained variance by step.");

    const measured = await philab(
      "sae",
      "eval",
      "own",
      "--data",
      data,
      "--eval-tokens",
      "200",
      "--json",
    );
    expect(measured.exit, measured.err).toBe(0);
    expect(json(measured)).toMatchObject({ l0: 8, tokens: 200, hook: "blocks.1.hook_resid_post" });

    const elsewhere = await philab("sae", "eval", "own", "--data", data, "--hook", "resid_post0");
    expect(elsewhere.exit).toBe(2);
    expect(elsewhere.err).toContain(
      "the dictionary is of blocks.1.hook_resid_post, not of blocks.0",
    );
    expect(existsSync(path.join(cwd, "own", "cfg.json"))).toBe(true);
  });

  it("shows features on a page, and what adding one does", async () => {
    const shown = await philab(
      ...["sae", "features", "own", "--data", data, "--read-tokens", "400", "--limit", "3"],
      ...["--steer", "Once upon a time", "--max-tokens", "4", "--out", "features.html", "--json"],
    );
    expect(shown.exit, shown.err).toBe(0);
    const { features, steered } = json(shown) as { features: unknown[]; steered: unknown[] };
    expect([features.length, steered.length]).toEqual([3, 3]);
    const page = readFileSync(path.join(cwd, "features.html"), "utf8");
    expect(page).toMatch(/Feature \d+/);
    expect(page).not.toMatch(/(src|href)="?https?:/);
  });

  it("trains a transcoder, of which philab circuit graph makes a page and Neuronpedia's JSON", async () => {
    const hook = ["--hook", "blocks.1.hook_mlp_out", "--transcoder", "--out", "coder"];
    const trained = await philab(...TRAIN, ...hook, "--training-tokens", "1024");
    expect(trained.exit, trained.err).toBe(0);
    const made = await philab(
      ...["circuit", "graph", "Once upon a", "--transcoders", "coder", "--interventions", "2"],
      ...["--graph", "graph.json", "--out", "graph.html", "--json"],
    );
    expect(made.exit, made.err).toBe(0);
    expect(json(made)).toMatchObject({ graph: path.join(cwd, "graph.json") });
    const graph = JSON.parse(readFileSync(path.join(cwd, "graph.json"), "utf8")) as {
      nodes: unknown[];
    };
    expect(graph.nodes.length).toBeGreaterThan(3);
    expect(readFileSync(path.join(cwd, "graph.html"), "utf8")).toContain("Interventions");
    const wrong = await philab("circuit", "graph", "Once", "--transcoders", "own");
    expect(wrong.err).toContain("is no transcoder of an MLP");
  });

  it("lists the dictionaries that come with phi-nano, and takes them and their texts by name", async () => {
    const listed = await philab("sae", "list");
    expect(listed.out).toMatch(/^phi-nano\.transcoder-2 +blocks\.2\.hook_mlp_out +768 +1\d\.\d /m);
    const measured = await philab(
      ...["sae", "eval", "phi-nano.transcoder-2", "--eval-tokens", "150", "--json", ...NANO],
    );
    expect(measured.exit, measured.err).toBe(0);
    expect(json(measured)).toMatchObject({ tokens: 150, hook: "blocks.2.hook_mlp_out" });
    const graph = await philab(
      ...["circuit", "graph", "def add(a, b):", "--interventions", "0", "--json", ...NANO],
    );
    expect(json(graph)["features"]).toBeGreaterThan(20);

    const unknown = await philab("sae", "eval", "phi-nano.transcoder2", ...NANO);
    expect(unknown.exit).toBe(2);
    expect(unknown.err).toContain("Did you mean phi-nano.transcoder-2");
    const untrained = await philab("circuit", "graph", "Once");
    expect(untrained.err).toContain("no transcoders were given, and phi-micro brings none");
  });

  it("refuses a dictionary of another model, and texts that are none", async () => {
    const other = await philab("sae", "eval", fixture("sae-lens/topk"), "--data", data);
    expect(other.exit).toBe(2);
    expect(other.err).toContain("6 values at blocks.1.hook_resid_post, where this model has");
    writeFileSync(path.join(cwd, "empty.txt"), "");
    const empty = await philab("sae", "train", "--data", "empty.txt", "--hook", "resid_post0");
    expect(empty.exit).toBe(2);
    const nothing = await philab("sae", "train", "--hook", "resid_post0");
    expect(nothing.err).toContain("no texts were given");
  });
});
