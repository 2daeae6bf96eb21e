/** Made-up corpora: from grammars and from a model, made anew, gone on with, and what is refused. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readManifest, type Document } from "../../src/data/index.ts";
import { writeSynthCorpus, type PartMaker } from "../../src/data/synth/corpus.ts";
import { json, philab } from "../support/cli.ts";
import { bytesBelow, documentsOf } from "../support/corpora.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-synth-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

describe("a corpus in parts", () => {
  const document = (id: string): Document => ({
    ...{ id, text: `text ${id}`, source: "made", licence: null, language: null },
    ...{ scores: {}, metadata: {} },
  });
  /** Three parts of two documents each, and one that is refused; stops before part `brokenAt`. */
  const maker = (brokenAt = 9): PartMaker & { made: number[] } => {
    const made: number[] = [];
    return {
      ...{ options: { from: "test" }, parts: 3, made },
      async *make(part, refuse) {
        if (part === brokenAt) throw new Error("the power fails");
        made.push(part);
        yield document(`${part}a`);
        refuse("wrong");
        yield document(`${part}b`);
      },
    };
  };
  const write = (out: string, parts: PartMaker): ReturnType<typeof writeSynthCorpus> =>
    writeSynthCorpus({ out, name: "test", maker: parts, signal: new AbortController().signal });

  it("goes on after a failure with the first part that is missing, and becomes the same to the byte", async () => {
    const [whole, broken] = [path.join(root, "whole"), path.join(root, "broken")];
    await write(whole, maker());
    await expect(write(broken, maker(2))).rejects.toThrow("the power fails");
    const rest = maker();
    await write(broken, rest);
    expect(rest.made).toEqual([2]);
    expect(bytesBelow(broken)).toEqual(bytesBelow(whole));
    const { history, sources } = await readManifest(whole);
    expect(history[0]).toMatchObject({ documents: 9, kept: 6, rejected: { wrong: 3 } });
    expect(sources).toMatchObject({ made: { documents: 6, licences: { unknown: 6 } } });
  });

  it("is not made a second time, and does not go on with what was made otherwise", async () => {
    const again = maker();
    await write(path.join(root, "whole"), again);
    expect(again.made).toEqual([]);
    const half = path.join(root, "half");
    await expect(write(half, maker(1))).rejects.toThrow();
    await expect(write(half, { ...maker(), options: { from: "other" } })).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringContaining("other options") as string,
    });
  });

  it("does not write into a folder that holds something else", async () => {
    const folder = path.join(root, "taken");
    cpSync(path.join(root, "whole", "parts"), path.join(folder, "photos"), { recursive: true });
    await expect(write(folder, maker())).rejects.toThrow("holds something else already");
  });
});

describe("philab data synth", () => {
  it("makes the same corpus from the same seed, without the tasks that are held out", async () => {
    const tasks = path.join(root, "tasks.jsonl");
    writeFileSync(tasks, `${JSON.stringify({ prompt: "Instruct: What is 1 + 1?\nOutput:" })}\n`);
    const make = (out: string): ReturnType<typeof philab> =>
      philab(
        `data synth --out ${out} --seed 3 --characters 8000 --shares lessons:1,arithmetic:1 --held-out tasks.jsonl --embed-with phi-micro --json`.split(
          " ",
        ),
        { cwd: root },
      );
    const [first, second] = [await make("one"), await make("two")];
    expect(first.exit, first.err).toBe(0);
    const [a, b] = [json(first), json(second)];
    const { distance, nearest } = a["embeddings"] as Record<"distance" | "nearest", number>;
    expect(distance).toBeGreaterThan(nearest);
    expect(a["embeddings"]).toEqual(b["embeddings"]);
    expect(a["diversity"]).toEqual(b["diversity"]);
    expect(bytesBelow(path.join(root, "one", "parts"))).toEqual(
      bytesBelow(path.join(root, "two", "parts")),
    );
    expect(a["documents"]).toBe(b["documents"]);
    const documents = await documentsOf(path.join(root, "one"));
    expect(new Set(documents.map(({ source }) => source))).toEqual(
      new Set(["synth/lessons", "synth/arithmetic"]),
    );
    expect(documents.every(({ licence }) => licence === "MIT")).toBe(true);
  });

  it("says which kinds there are, what an endpoint needs, and where tasks are none", async () => {
    const told = async (argv: string): Promise<string> => {
      const { exit, err } = await philab(["data", "synth", "--out", "bad", ...argv.split(" ")], {
        cwd: root,
      });
      expect(exit).toBe(2);
      return err;
    };
    expect(await told("--shares poems:1")).toMatch(
      /no material of the kind poems[^]*functions, families/,
    );
    expect(await told("--endpoint http://localhost:1/v1")).toMatch(/a model's name and topics/);
    writeFileSync(path.join(root, "no-tasks.jsonl"), '{"question": 1}\n');
    expect(await told("--held-out no-tasks.jsonl")).toMatch(
      /no-tasks.jsonl:1: no task with a prompt/,
    );
  });
});

describe("passages from a model", () => {
  const good =
    "To sort a list, Python has the function sorted, which gives back a new list and leaves the old one as it is.\n```python\nassert sorted([2, 1]) == [1, 2]\n```";
  const answers: Record<string, string> = {
    sorting: good,
    lies: good.replace("[1, 2]", "[2, 1]"),
    silence: "Hm.",
    echoes: "again and again ".repeat(30),
  };
  let server: Server;
  let url: string;
  const prompts: string[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (piece: Buffer) => (body += piece.toString()));
      request.on("end", () => {
        const { prompt } = JSON.parse(body) as { prompt: string };
        prompts.push(prompt);
        const topic = /about (\w+),/.exec(prompt)?.[1] ?? "";
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ choices: [{ text: answers[topic] ?? "" }] }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  });
  afterAll(() => server.close());

  it("are kept where their code runs; what is no passage is counted by what is wrong with it", async () => {
    const ran = await philab(
      [
        "data",
        "synth",
        "--out",
        "passages",
        "--endpoint",
        url,
        "--model",
        "teacher",
        "--topics",
        "sorting,lies,silence,echoes",
        "--audiences",
        "a child,a student",
        "--constraints",
        "with code",
        "--json",
      ],
      { cwd: root },
    );
    expect(ran.exit, ran.err).toBe(0);
    expect(json(ran)).toMatchObject({
      documents: 2,
      refused: { "code fails": 2, "too short": 2, "repeats itself": 2 },
    });
    expect(new Set(prompts).size).toBe(8);
    const documents = await documentsOf(path.join(root, "passages"));
    expect(documents.map(({ metadata }) => metadata)).toEqual([
      { topic: "sorting", audience: "a child", constraint: "with code", ran: true },
      { topic: "sorting", audience: "a student", constraint: "with code", ran: true },
    ]);
  });

  it("fail as a whole where every answer is nonsense", async () => {
    const { exit, err } = await philab(
      [
        "data",
        "synth",
        "--out",
        "nonsense",
        "--endpoint",
        url,
        "--model",
        "teacher",
        "--topics",
        "silence",
      ],
      { cwd: root },
    );
    expect(exit).toBe(3);
    expect(err).toMatch(/none of 16 documents could be used[^]*too short/);
  });
});
