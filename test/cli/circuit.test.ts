/** `philab circuit`: found, made smaller, and held against other prompts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { json, philab as run, type Ran } from "../support/cli.ts";
import { fixture } from "../support/golden.ts";

const cwd = mkdtempSync(path.join(tmpdir(), "philab-circuit-"));
afterAll(() => {
  rmSync(cwd, { recursive: true });
});
const philab = (...argv: string[]): Promise<Ran> => run(argv, { cwd });

describe("philab circuit", () => {
  it("finds the circuit of a task, makes it smaller, and says how good it is elsewhere", async () => {
    const task = ["--task", "ioi-classic", "--limit", "2"];
    const asked = ["circuit", "discover", ...task, "--edges", "300", "--out", "names.json"];
    const found = await philab(...asked);
    expect(found.exit, found.err).toBe(0);
    expect(found.out).toMatch(/->logits/);
    expect(found.out).toMatch(/^\d+ of \d+ edges$/m);

    const pruned = await philab(
      ...["circuit", "prune", "names.json", ...task, "--faithfulness", "0.5"],
      ...["--out", "small.json", "--json"],
    );
    expect(pruned.exit, pruned.err).toBe(0);
    const result = json(pruned);
    expect(result["faithfulness"]).toBeGreaterThanOrEqual(0.5);
    const small = JSON.parse(readFileSync(path.join(cwd, "small.json"), "utf8")) as {
      edges: unknown[];
    };
    expect(small.edges.length).toBeLessThan(result["before"] as number);

    const check = ["circuit", "check", "small.json", "--task", "ioi-classic", "--limit", "2"];
    const held = await philab(...check, "--seed", "5", "--controls", "2", "--json");
    expect(held.exit, held.err).toBe(0);
    const { checks } = json(held) as { checks: { ablation: string; random: number[] }[] };
    expect(checks.map(({ ablation }) => ablation)).toEqual(["zero", "mean", "resample"]);
    expect(checks[0]!.random).toHaveLength(2);
    const strict = await philab(...check, "--ablation", "resample", "--at-least", "99");
    expect(strict.exit).toBe(3);
    expect(strict.err).toContain("below 99");
  });

  it("refuses circuits of other models, and files that are none", async () => {
    const edges = [{ edge: "input->logits", effect: 1 }];
    const model = { name: "another", sha256: "0" };
    const found = { task: null, seed: null, pairs: 1, method: "eap" };
    writeFileSync(
      path.join(cwd, "other.json"),
      JSON.stringify({ schema: 1, model, ...found, total: 7, edges }),
    );
    const mini = ["--model", fixture("phi-mini"), "--task", "induction", "--limit", "1"];
    const other = await philab("circuit", "check", "other.json", ...mini);
    expect(other.exit).toBe(2);
    expect(other.err).toContain("a model with 7 edges");
    writeFileSync(path.join(cwd, "none.json"), "{}");
    expect((await philab("circuit", "check", "none.json", ...mini)).err).toContain("is no circuit");
    const lost = await philab("circuit", "check", "lost.json", ...mini);
    expect(lost.err).toContain("no such file");
  });
});
