import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { homeFolders, resolveSettings } from "./settings.ts";
import { defaultThreads } from "./threads.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(path.join(os.tmpdir(), "philab-settings-"));
});
afterEach(() => rm(cwd, { recursive: true }));

const config = (value: unknown) =>
  writeFile(
    path.join(cwd, "philab.config.json"),
    typeof value === "string" ? value : JSON.stringify(value),
  );

describe("settings", () => {
  test("have defaults, and say that they are defaults", () => {
    const { values, sources } = resolveSettings({ env: {}, cwd });
    expect(values).toEqual({
      home: path.join(os.homedir(), ".philab"),
      model: undefined,
      mode: "fast",
      device: "auto",
      threads: defaultThreads(),
      seed: 0,
    });
    expect(sources.mode).toEqual({ from: "default", name: "default" });
  });

  test("come from a flag before a variable before the file before the default", async () => {
    await config({ model: "from-file", threads: 3, seed: 7, mode: "reference" });
    const { values, sources } = resolveSettings({
      flags: { model: "from-flag" },
      env: { PHILAB_MODEL: "from-variable", PHILAB_THREADS: "2" },
      cwd,
      defaults: { device: "cpu", mode: "fast" },
    });
    expect(values).toMatchObject({
      model: "from-flag",
      threads: 2,
      seed: 7,
      mode: "reference",
      device: "cpu",
    });
    expect(sources.model).toEqual({ from: "flag", name: "--model" });
    expect(sources.threads).toEqual({ from: "environment", name: "PHILAB_THREADS" });
    expect(sources.seed).toEqual({ from: "file", name: path.join(cwd, "philab.config.json") });
    expect(sources.device.from).toBe("default");
  });

  test("treat an empty variable as not set", () => {
    expect(resolveSettings({ env: { PHILAB_SEED: "" }, cwd }).sources.seed.from).toBe("default");
  });

  test("resolve the home folder against the working directory and the person's own home", () => {
    const home = (PHILAB_HOME: string) =>
      resolveSettings({ env: { PHILAB_HOME }, cwd }).values.home;
    expect(home("lab")).toBe(path.join(cwd, "lab"));
    expect(home("~/lab")).toBe(path.join(os.homedir(), "lab"));
    expect(homeFolders("/lab").runs).toBe(path.join("/lab", "runs"));
  });

  test("refuse a wrong variable by its name", () => {
    expect(() => resolveSettings({ env: { PHILAB_THREADS: "many" }, cwd })).toThrow(
      'PHILAB_THREADS "many": expected a whole number from 1 to 512',
    );
  });

  test("refuse an unknown key of the file and suggest the right one", async () => {
    await config({ modell: "phi-2" });
    expect(() => resolveSettings({ env: {}, cwd })).toThrow(
      expect.objectContaining({ code: "bad_input", hint: "Did you mean model?" }),
    );
  });

  test("refuse a file that is not JSON, by its path", async () => {
    await config("{ model: phi-2 }");
    expect(() => resolveSettings({ env: {}, cwd })).toThrow(/philab\.config\.json is not JSON/);
  });
});
