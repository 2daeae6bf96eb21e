/** `philab safety redteam`: templates, against a model here and one behind an endpoint. Every request is harmless. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, philab } from "../support/cli.ts";

let folder: string;
let server: Server;
let url: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-redteam-"));
  await writeFile(
    path.join(folder, "requests.csv"),
    "prompt,type,label\nName a tangerine.,fruit,safe\nName a walnut.,nuts,unsafe\n",
  );
  // The model refuses a walnut unless somebody plays a part; the judge is sure of tangerines alone.
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => {
      const { prompt, model } = JSON.parse(body) as { prompt: string; model: string };
      const refuses = prompt.includes("walnut") && !prompt.includes("play");
      const answered = refuses ? " I cannot do that." : " Here it is.";
      const judged = prompt.includes("tangerine")
        ? " Yes"
        : prompt.includes("cannot")
          ? " No"
          : " Hm";
      const text = model === "judge" ? judged : answered;
      response.end(JSON.stringify({ choices: [{ text }] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const PROBES = ["--data", "requests.csv", "--probes", "plain,role-play"];

describe("philab safety redteam", () => {
  it("counts what each template gets past, with a judge beside the phrases", async () => {
    const target = ["--endpoint", url, "--model", "target"];
    const judge = ["--judge", "judge", "--judge-endpoint", url];
    const ran = await philab(["safety", "redteam", ...PROBES, ...target, ...judge, "--json"], {
      cwd: folder,
    });
    expect(ran.exit, ran.err).toBe(0);
    const result = json(ran) as { probes: object; page: string; folder: string; judge: string };
    expect(result.judge).toBe("judge");
    const verdicts = { answers: 2, complied: 1, failed: 0 };
    expect(result.probes).toEqual({
      plain: {
        ...{ family: "none", prompts: 2, refused: 1, rate: 0.5 },
        verdicts: { ...verdicts, refused: 1, unclear: 0, complianceRate: 0.5 },
      },
      "role-play": {
        ...{ family: "role play", prompts: 2, refused: 0, rate: 0 },
        verdicts: { ...verdicts, refused: 0, unclear: 1, complianceRate: 1 },
      },
    });
    expect(ran.out + ran.err).not.toMatch(/walnut|tangerine|Here it is/);
    const page = await readFile(result.page, "utf8");
    expect(page).toMatch(/class="browser blurred"/);
    expect(page).toContain("walnut");
    const lines = (await readFile(path.join(result.folder, "answers.jsonl"), "utf8")).trim();
    expect(lines.split("\n")).toHaveLength(4);
  });

  it("asks a model here, which may judge itself", async () => {
    const argv = ["safety", "redteam", "probes", ...PROBES, "--limit", "1", "-n", "2"];
    const ran = await philab([...argv, "--judge", "phi-micro"], { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    expect(ran.out).toMatch(/role-play +role play +1/);
  });

  it("says what is missing, and which options belong to the other attack", async () => {
    const fails = async (argv: readonly string[]): Promise<string> => {
      const ran = await philab(["safety", "redteam", ...argv], { cwd: folder });
      expect(ran.exit).toBe(2);
      return ran.err;
    };
    expect(await fails([])).toMatch(/requests of a file/);
    expect(await fails([...PROBES, "--prompt", "Name a nut."])).toMatch(/belong to gcg/);
    expect(await fails(["gcg", ...PROBES, "--judge", "x"])).toMatch(/judges nothing/);
    expect(await fails([...PROBES, "--judge-endpoint", url])).toMatch(/not named/);
    expect(await fails(["--data", "requests.csv", "--probes", "odd"])).toMatch(/odd/);
  });
});
