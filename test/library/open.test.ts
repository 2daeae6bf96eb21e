import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { open } from "philab";
import { liveBytes } from "../../src/engine/memory.ts";
import { fixture, readFixture } from "../support/golden.ts";

const [golden] = readFixture<{ prompt: string; greedy_ids: number[] }[]>("phi-micro.json");
let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), "philab-open-"));
  vi.stubEnv("PHILAB_HOME", home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.stubEnv("PHILAB_HOME", home);
});
afterAll(() => rm(home, { recursive: true }));

describe("open", () => {
  it("opens the bundled model where none is named, and frees it at the end of the block", async () => {
    const before = liveBytes();
    {
      await using phi = await open();
      expect(phi.config.layers).toBe(6);
      expect((await phi.complete("Instruct: What is 3 + 4?\nOutput:")).text).toBe(" 7");
    }
    expect(liveBytes()).toBe(before);
  });

  it("writes what it should with a model that is named", async () => {
    const before = liveBytes();
    {
      await using phi = await open("phi-micro");
      const { tokens } = await phi.complete(golden?.prompt ?? "", { maxTokens: 16 });
      expect(tokens.map(({ id }) => id)).toEqual(golden?.greedy_ids.slice(0, 16));
    }
    expect(liveBytes()).toBe(before);
  });

  it("opens a name, a directory, and what PHILAB_MODEL names", async () => {
    await using byName = await open("phi-micro");
    await using byPath = await open(fixture("phi-mini"));
    vi.stubEnv("PHILAB_MODEL", fixture("phi-mini"));
    await using bySetting = await open();
    expect([byName, byPath, bySetting].map(({ config }) => config.width)).toEqual([160, 64, 64]);
  });

  it("lets options win over settings", async () => {
    vi.stubEnv("PHILAB_MODE", "reference");
    await using bySetting = await open();
    await using byOption = await open(undefined, { mode: "fast" });
    expect([bySetting.mode, byOption.mode]).toEqual(["reference", "fast"]);
    expect(byOption.backend.threads).toBe(1); // of PHILAB_THREADS
  });

  it("says what is there where a name is unknown, and what is wrong with an adapter", async () => {
    await expect(open("phi-mikro")).rejects.toMatchObject({
      code: "not_found",
      hint: expect.stringContaining("phi-micro") as string,
    });
    const adapter = path.join(home, "adapter_config.json");
    await writeFile(adapter, "{}");
    await expect(open(`phi-micro+${home}/.`)).rejects.toMatchObject({ code: "corrupt_file" });
  });
});

describe("the examples", () => {
  const run = async (name: string): Promise<string> => {
    let said = "";
    const say = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      said += String(text);
      return true;
    });
    const log = vi.spyOn(console, "log").mockImplementation((text: string) => {
      said += `${text}\n`;
    });
    try {
      await import(`../../examples/${name}.ts`);
    } finally {
      say.mockRestore();
      log.mockRestore();
    }
    return said;
  };

  it("01-generate continues code, samples a story and answers a question", async () => {
    const said = await run("01-generate");
    expect(said).toMatch(/^def add_numbers\(a, b\):\n {4}"""/);
    expect(said).toMatch(/\n3 \+ 4 = 7\n {3}7 {2}\d+\.\d %\n/);
  });

  it("11-train trains a model, evaluates it on the way, and lets it write", async () => {
    const said = await run("11-train");
    const bits = [...said.matchAll(/^step \d+: eval loss \d+\.\d+, (\d+\.\d+) bits per byte$/gm)];
    expect(bits).toHaveLength(2);
    expect(Number(bits[1]?.[1])).toBeLessThan(Number(bits[0]?.[1]));
    expect(said).toMatch(/\nThe model/);
  });

  it("02-score finds the likelier of two names", async () => {
    const said = await run("02-score");
    expect(said).toMatch(/^ Mary {2}-0\.0275 {2}\(the likeliest\)\n John {2}-4\.7372\n/);
    expect(said).toContain("111 times as likely");
  });

  it("03-look-inside reads patterns, lengths and the likeliest tokens", async () => {
    const said = await run("03-look-inside");
    expect(said).toMatch(/^This run keeps 624 bytes\.\n/);
    expect(said).toMatch(/Head 3 of the last layer looks at " to" \(\d+ %\)\n/);
    expect(said).toContain('Next: " Mary", " John"');
  });

  it("04-change-inside finds the head that matters, and generates without it", async () => {
    const said = await run("04-change-inside");
    expect(said).toMatch(/^Mary is 4\.71 ahead of John\.\nz0, head 0, is worth 2\.77 of it\.\n/);
    expect(said).toMatch(/as it is: " Mary\..*"\nedited: "/);
  });

  it("05-patch sees the name move from where it is said to the end", async () => {
    const said = await run("05-patch");
    expect(said).toMatch(/^" John" +1\.00/m);
    expect(said).toContain("75 patches for 32 % of their rows.");
  });
});
