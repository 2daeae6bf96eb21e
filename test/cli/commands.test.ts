/** Every command as a person types it, on the bundled model and on one without a tokenizer. */
import { access, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, philab as run, type Ran, type RunOptions } from "../support/cli.ts";
import { fixture, readFixture } from "../support/golden.ts";

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "philab-commands-"));
});
afterAll(() => rm(cwd, { recursive: true }));

const philab = (argv: readonly string[], options: Partial<RunOptions> = {}): Promise<Ran> =>
  run(argv, { cwd, ...options });
const mini = fixture("phi-mini");
const prompt = "def add_numbers(a, b):";
const [golden] = readFixture<{ prompt: string; greedy_ids: number[] }[]>("phi-micro.json");

describe("philab run", () => {
  it("streams the continuation of a prompt, and ends its line", async () => {
    const { exit, out, err, pieces } = await philab(["run", "-n", "8", prompt]);
    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(out).toMatch(/^\n {4}"""[A-Z].*\n$/s);
    expect(pieces.length).toBeGreaterThan(4);
  });

  it("gives the tokens of transformers, with what made them, as one object", async () => {
    const ran = await philab(["run", "-n", "16", "--json", golden?.prompt ?? ""]);
    const result = json(ran);
    expect(ran.err).toBe("");
    expect(result).toMatchObject({
      model: "phi-micro",
      mode: "fast",
      device: "cpu",
      threads: 1,
      engine: expect.stringMatching(/^ggml \d/) as string,
      modelHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      sampling: { temperature: 0, maxTokens: 16 },
      finishReason: "length",
      command: ["philab", "run", "-n", "16", "--json", golden?.prompt],
    });
    const ids = (result["tokens"] as { id: number }[]).map(({ id }) => id);
    expect(ids).toEqual(golden?.greedy_ids.slice(0, 16));
  });

  it("reads the prompt from stdin, less the newline that echo puts there", async () => {
    const typed = await philab(["run", "-n", "8", prompt]);
    const piped = await philab(["run", "-n", "8"], { stdin: `${prompt}\n` });
    expect(piped.out).toBe(typed.out);
  });

  it("does not take an empty stdin for a prompt", async () => {
    const { exit, err } = await philab(["run"]);
    expect(exit).toBe(2);
    expect(err).toBe(
      'philab: no prompt was given, and stdin is empty\n  Give it in quotes: philab run "def add(a, b):"\n',
    );
  });

  it("continues ids where there is no tokenizer, and says so where text is given", async () => {
    const { greedy_ids, greedy_prompt_len } = readFixture<{
      greedy_ids: number[];
      greedy_prompt_len: number;
    }>("phi-mini/inputs.json");
    const [given, wanted] = [
      greedy_ids.slice(0, greedy_prompt_len).join(","),
      greedy_ids.slice(greedy_prompt_len),
    ];
    const count = String(wanted.length);
    const ids = await philab(["run", "-m", mini, "--tokens", given, "-n", count]);
    expect(ids).toMatchObject({ exit: 0, out: `${wanted.join(",")}\n`, err: "" });
    const echoed = await philab(["run", "-m", mini, "--tokens", given, "-n", count, "--echo"]);
    expect(echoed.out).toBe(`${greedy_ids.join(",")}\n`);
    const text = await philab(["run", "-m", mini, "x"]);
    expect(text.exit).toBe(2);
    expect(text.err).toContain("has no tokenizer\n  Give prompts as token ids");
  });

  it("answers in the formats of the cards, and ends there", async () => {
    const { out } = await philab(["run", "--format", "qa", "What is 3 + 4?"]);
    expect(out).toBe(" 7\n");
  });

  it("takes a stop text with a comma or a newline in it as it is", async () => {
    const cut = await philab(["run", "--stop", "\n    return", "--stop", "a, b", prompt]);
    expect(cut.exit).toBe(0);
    expect(cut.out).not.toContain("return [");
    const whole = await philab(["run", "--stop", "a, b", prompt]);
    expect(whole.out).toContain("return [");
  });

  it("takes biases as pairs of id and number", async () => {
    const { sampling } = json(
      await philab(["run", "-n", "2", "--json", "--logit-bias", "0:-100,265:-100", prompt]),
    ) as { sampling: object };
    expect(sampling).toMatchObject({ logitBias: { "0": -100, "265": -100 } });
  });

  it("says where it stopped before the text had ended", async () => {
    const limited = await philab(["run", "hello"]);
    expect(limited.err).toBe("ended after 256 tokens; --max-tokens sets another limit\n");
    const full = await philab(["run", "-n", "600", "--logit-bias", "0:-100", prompt]);
    expect(full.err).toBe("ended where the context of 512 tokens is full\n");
  });

  it.each([
    [["--tokens", "1,2", "x"], "both a text and --tokens were given"],
    [["--tokens", "1,2", "--format", "qa"], "--format qa is for texts"],
    [["--tokens", "99999"], "token id 99999 is not in 0…2047"],
    [["--temperature", "hot", "x"], '--temperature "hot": expected a number from 0 to 100'],
    [["-n", "0", "x"], "--max-tokens 0: expected a whole number of at least 1"],
    [["two", "words"], "too many arguments"],
    [["--model", "phi-micor", "x"], "there is no model phi-micor"],
    [["--model", "./nothing", "x"], "there is no model at"],
    [["--model", "hf:microsoft/phi-2", "x"], "hf:microsoft/phi-2 is not in the store"],
    [["--logit-bias", "five", "x"], '--logit-bias "five": expected key:value pairs'],
  ])("%j is refused with what is wrong and what to do", async (argv, message) => {
    const { exit, out, err } = await philab(["run", ...argv]);
    expect({ exit, out }).toEqual({ exit: 2, out: "" });
    expect(err).toContain(`philab: ${message}`);
    if (!/temperature|max-tokens|token id|logit/.test(message)) expect(err).toMatch(/\n {2}\S/);
  });
});

describe("philab chat", () => {
  it("answers line by line, and remembers the conversation", async () => {
    const ran = await philab(["chat", "-n", "40", "--json"], {
      stdin: "Which is larger, 4 or 9?\n\nWhat is 2 + 3?\n/quit\nnot read\n",
    });
    const turns = json(ran)["turns"] as { role: string; text: string }[];
    expect(turns.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
    expect(turns[1]?.text).toBe("9");
    expect(turns.every(({ text }) => !text.includes("Instruct:"))).toBe(true);
  });

  it("takes exchanges back and starts anew", async () => {
    const stdin = "Hello.\n/undo\nWhat is 2 + 3?\n";
    const { turns } = json(await philab(["chat", "-n", "4", "--json"], { stdin })) as {
      turns: { text: string }[];
    };
    expect(turns).toHaveLength(2);
    expect(turns[0]?.text).toBe("What is 2 + 3?");
    const reset = await philab(["chat", "--json", "-n", "4"], { stdin: "Hello.\n/reset\n" });
    expect(json(reset)["turns"]).toEqual([]);
  });

  it("prints the model's lines alone when it is used in a pipe", async () => {
    const { out } = await philab(["chat"], { stdin: "Which is larger, 4 or 9?\n" });
    expect(out).toBe("Bob: 9\n");
  });

  it("needs a tokenizer", async () => {
    const { exit, err } = await philab(["chat", "--model", mini]);
    expect(exit).toBe(2);
    expect(err).toContain("no tokenizer to talk with\n  philab run --tokens");
  });

  it("ends when the conversation does not fit any more", async () => {
    const { exit, err } = await philab(["chat"], { stdin: `${"word ".repeat(600)}\n` });
    expect(exit).toBe(2);
    expect(err).toMatch(/the conversation has \d+ tokens; the context holds 512\n {2}\/undo/);
  });
});

describe("philab score", () => {
  const story = "When Mary and John went to the store, John gave a book to";

  it("keeps the spaces and commas of continuations", async () => {
    const { out } = await philab(["score", story, " Mary", " John, too"]);
    const [, mary, john] = out.split("\n");
    expect(mary).toMatch(/^" Mary" +1 +-0\.02749\d* +-0\.02749\d* +yes$/);
    expect(john).toMatch(/^" John, too" +\d/);
  });

  it("takes ids for prompt and continuations", async () => {
    const ran = await philab(["score", "-m", mini, "--tokens", "1,2", "5", "6,7", "--json"]);
    const { scores } = json(ran) as { scores: { continuation: number[]; tokens: object[] }[] };
    expect(scores.map(({ continuation }) => continuation)).toEqual([[5], [6, 7]]);
    expect(scores.map(({ tokens }) => tokens.length)).toEqual([1, 2]);
  });

  it("refuses a continuation that has no token of its own", async () => {
    const { exit, err } = await philab(["score", "a", "b"]);
    expect(exit).toBe(2);
    expect(err).toContain('the continuation "b" has no token of its own');
  });

  it.each([[[]], [["x"]], [["--tokens", "1"]], [["--tokens", "1", "x"]]])(
    "%j lacks something",
    async (argv) => {
      expect((await philab(["score", ...argv])).exit).toBe(2);
    },
  );
});

describe("philab show", () => {
  it("tells a model's shape and memory from its headers", async () => {
    const { out } = await philab(["show"]);
    expect(out).toMatch(/^parameters +2,202,528$/m);
    expect(out).toMatch(/512 +1\.56 MiB/);
    expect(json(await philab(["show", "--json", "--model", mini]))).toMatchObject({
      name: "phi-mini",
      format: "safetensors",
      config: { layers: 2, width: 64 },
    });
  });
});

describe("philab convert and quantize", () => {
  it("write where the person stands, and what they write runs", async () => {
    const converted = await philab(["convert", "micro.gguf", "--dtype", "f16"]);
    expect(converted.exit).toBe(0);
    expect(converted.out).toMatch(/^micro\.gguf: 75 tensors, 4\.22 MiB/);
    const back = json(await philab(["convert", "micro", "-m", "micro.gguf", "--json"]));
    expect(back["path"]).toBe(path.join(cwd, "micro"));
    const quantized = await philab(["quantize", "q4_k_m", "q4.gguf", "-m", "./micro"]);
    expect(quantized.out).toContain("instead of q4_k, whose blocks do not divide their rows");
    expect(quantized.out).toContain("blk.{2,4}.attn_v.weight");
    for (const model of ["micro.gguf", "./micro", "q4.gguf"]) {
      const { exit, out } = await philab(["run", "-m", model, "-n", "4", prompt]);
      expect({ exit, out }).toEqual({ exit: 0, out: expect.stringContaining('"""') as string });
    }
    expect((await readdir(cwd)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it.each([
    [["convert"], "missing required argument 'to'"],
    [["convert", "micro.gguf"], "exists already"],
    [["convert", "no/where.gguf"], "no such directory"],
    [["quantize", "q8_0", "q4.gguf"], "exists already"],
    [["quantize", "q8_0", "model.bin"], "expected a name that ends in .gguf"],
    [["quantize", "q9", "q9.gguf"], '<type> "q9": expected f16, q8_0'],
    [["quantize", "q4_0", "again.gguf", "-m", "q4.gguf"], "is quantised already"],
  ])("%j is refused", async (argv, message) => {
    const { exit, out, err } = await philab(argv);
    expect({ exit, out }).toEqual({ exit: 2, out: "" });
    expect(err).toContain(message);
    await expect(access(path.join(cwd, "again.gguf"))).rejects.toThrow();
  });
});

describe("philab doctor and bench", () => {
  it("say what computes here and where every setting comes from", async () => {
    const result = json(await philab(["doctor", "--no-measure", "--json"]));
    expect(result).toMatchObject({
      device: "cpu",
      threads: 1,
      engine: { tested: true },
      kernels: { reason: expect.any(String) as string },
      settings: { threads: { value: 1, name: "PHILAB_THREADS" }, mode: { from: "default" } },
    });
  });

  it("measure a model, and warn about what its context cannot hold", async () => {
    // With a prompt as short as what is decoded, the token that decoding continues needs a place as well.
    const ran = await philab([
      ...["bench", "--prompt", "4", "--decode", "4", "--depth", "0,5000", "--repeats", "1"],
      "--json",
    ]);
    // On a restless machine no round counts, which is an answer, too.
    expect([0, 1]).toContain(ran.exit);
    expect(ran.err).toContain("depth 5000 is left out: the context holds 512 tokens");
    if (ran.exit !== 0) return;
    const { operations } = json(ran) as { operations: Record<string, { share: number }[]> };
    for (const accounts of [operations["prefill"], operations["decode"]])
      expect(accounts?.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  });
});

describe("an adapter", () => {
  it("that is not there is named, with exit code 2", async () => {
    const { exit, err } = await philab(["run", "--adapter", "mine", "x"]);
    expect(exit).toBe(2);
    expect(err).toContain("mine");
  });
});
