/** LoRA adapters on the command line. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, philab as run } from "../support/cli.ts";
import { fixture } from "../support/golden.ts";
import { ids } from "../support/peft.ts";

const mini = fixture("phi-mini");
const adapter = (name: string) => fixture(`peft/${name}`);
let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "philab-adapter-"));
  await cp(adapter("rslora"), path.join(cwd, "adapters", "mine"), { recursive: true });
});
afterAll(() => rm(cwd, { recursive: true }));
// No model is named unless a test names one.
const philab = (...argv: string[]) => run(argv, { cwd, env: { PHILAB_MODEL: undefined } });
const continued = async (...argv: string[]) => {
  const ran = await philab("run", "-n", "12", "--json", "--tokens", ids.join(","), ...argv);
  expect(ran.err).toBe("");
  return json(ran);
};
const tokensOf = (result: Record<string, unknown>) =>
  (result["tokens"] as { id: number }[]).map(({ id }) => id);

describe("philab run with an adapter", () => {
  it("takes a name of the store or a path, beside the model or after a plus, and says which", async () => {
    const byName = await continued("-m", mini, "--adapter", "mine");
    const byPath = await continued("-m", mini, "--adapter", adapter("rslora"));
    const byPlus = await continued("-m", `${mini}+mine`);
    const without = await continued("-m", mini);
    expect(byName).toMatchObject({
      model: "phi-mini",
      adapter: "mine",
      adapterHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(byPath["adapterHash"]).toBe(byName["adapterHash"]);
    expect(without).not.toHaveProperty("adapter");
    expect(tokensOf(byPath)).toEqual(tokensOf(byName));
    expect(tokensOf(byPlus)).toEqual(tokensOf(byName));
    expect(tokensOf(without)).not.toEqual(tokensOf(byName));
  });

  it("refuses one for another model, and does not fall back to none", async () => {
    const ran = await philab("run", "--adapter", "mine", "x");
    expect(ran.exit).toBe(2);
    expect(ran.out).toBe("");
    expect(ran.err).toContain("mine is an adapter for another model");
    expect(ran.err).toContain("It says that it was made for test/fixtures/phi-mini.");
    const unknown = await philab("run", "--adapter", "min", "x");
    expect(unknown.err).toBe("philab: there is no adapter min\n  Did you mean mine?\n");
  });
});

it("philab score scores under an adapter", async () => {
  const score = async (...argv: string[]) =>
    json(await philab("score", "-m", mini, "--json", "--tokens", "1,2,3", "5", "6,7", ...argv));
  const [plain, adapted] = [await score(), await score("--adapter", "mine")];
  expect(adapted).toMatchObject({ adapter: "mine", mode: "reference" });
  expect(adapted["scores"]).not.toEqual(plain["scores"]);
});

describe("philab adapter show", () => {
  it("says what an adapter is made of", async () => {
    const { exit, out, err } = await philab("adapter", "show", "mine");
    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(out).toMatch(/format +PEFT, rsLoRA\n/);
    expect(out).toMatch(/made for +test\/fixtures\/phi-mini\n/);
    expect(out).toMatch(/fc1 +2 +2 +4\.243\n/);
    expect(out).not.toContain("fits");
  });

  it("holds it against a model where one is named", async () => {
    const fits = json(await philab("adapter", "show", "mine", "-m", mini, "--json"));
    expect(fits).toMatchObject({ fits: "phi-mini", format: "peft", config: { rank: 4 } });
    const ran = await philab("adapter", "show", "mine", "-m", "phi-micro");
    expect(ran.exit).toBe(2);
    expect(ran.err).toContain("is an adapter for another model");
  });
});

describe("philab adapter merge", () => {
  it("makes a model that needs no adapter", async () => {
    const merged = await philab("adapter", "merge", "merged", "-m", mini, "--adapter", "mine");
    expect(merged).toMatchObject({
      exit: 0,
      out: expect.stringMatching(/^merged: 13 matrices changed, /) as string,
    });
    const alone = await continued("-m", "./merged");
    expect(tokensOf(alone)).toEqual(tokensOf(await continued("-m", `${mini}+mine`)));
  });

  it("says which matrices are larger than before", async () => {
    await philab("quantize", "q8_0", "q8.gguf", "-m", mini);
    const { out } = await philab("adapter", "merge", "m.gguf", "-m", "q8.gguf+mine");
    expect(out).toMatch(/\n13 matrices of q8_0 became f16\n$/);
  });

  it("wants an adapter, and replaces nothing unasked", async () => {
    const none = await philab("adapter", "merge", "x", "-m", mini);
    expect(none).toMatchObject({ exit: 2, out: "" });
    expect(none.err).toContain("no adapter was given\n  Name it with --adapter");
    const again = await philab("adapter", "merge", "merged", "-m", mini, "--adapter", "mine");
    expect(again.err).toContain("exists already");
    const replaced = await philab("adapter", "merge", "merged", "-m", `${mini}+mine`, "--replace");
    expect(replaced.exit).toBe(0);
  });
});

describe("philab adapter attach", () => {
  it("makes a model bring an adapter along, until it is taken out again", async () => {
    await philab("convert", "own", "-m", mini);
    const plain = tokensOf(await continued("-m", "./own"));
    const adapted = tokensOf(await continued("-m", "./own+mine"));
    const { exit, out, err } = await philab("adapter", "attach", "mine", "-m", "./own");
    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(out).toMatch(/own brings mine along/);
    expect(tokensOf(await continued("-m", "./own"))).toEqual(adapted);
    expect(tokensOf(await continued("-m", "./own+none"))).toEqual(plain);
    // What works with the weights takes the weights.
    expect((await philab("quantize", "q8_0", "own.gguf", "-m", "./own")).exit).toBe(0);
    const again = await philab("adapter", "attach", "mine", "-m", "./own");
    expect([again.exit, again.err]).toEqual([2, expect.stringMatching(/exists already/)]);
    expect((await philab("adapter", "attach", "mine", "-m", "./own", "--replace")).exit).toBe(0);
    expect((await philab("adapter", "attach", "--detach", "-m", "./own")).exit).toBe(0);
    expect(tokensOf(await continued("-m", "./own"))).toEqual(plain);
  });

  it("says what is missing, and what does not fit", async () => {
    const fails = async (...argv: string[]): Promise<string> => {
      const ran = await philab("adapter", "attach", ...argv);
      expect(ran.exit).toBe(2);
      return ran.err;
    };
    expect(await fails("mine")).toMatch(/model is not named/);
    expect(await fails("-m", "./own")).toMatch(/adapter is not named/);
    expect(await fails("--detach", "-m", "./own")).toMatch(/brings no adapter/);
    expect(await fails("mine", "-m", "own.gguf")).toMatch(/is one file/);
  });
});

it("philab adapter convert writes an adapter for llama.cpp, which can be used as it is", async () => {
  const { exit, out } = await philab("adapter", "convert", "a.gguf", "-m", `${mini}+mine`);
  expect({ exit, out }).toEqual({ exit: 0, out: "a.gguf: 13 modules\n" });
  const gguf = await continued("-m", mini, "--adapter", "a.gguf");
  expect(tokensOf(gguf)).toEqual(tokensOf(await continued("-m", `${mini}+mine`)));
  const shown = await philab("adapter", "show", "a.gguf");
  expect(shown.out).toMatch(/format +GGUF, LoRA\n/);
});

it("commands that work with a model's own weights say so", async () => {
  const { exit, err } = await philab("quantize", "q8_0", "x.gguf", "-m", `${mini}+mine`);
  expect(exit).toBe(2);
  expect(err).toContain("works without an adapter: mine\n");
  expect(err).toContain("philab adapter merge");
});
