import { describe, expect, it } from "vitest";
import { LanguageModel, type GenerateOptions } from "../../src/generate/language-model.ts";
import { logSumExp } from "../../src/generate/logits.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import { fixture, readFixture } from "../support/golden.ts";

const { input_ids: rows } = readFixture<{ input_ids: number[][] }>("phi-mini/inputs.json");
const [first = [], second = []] = rows;
const prompts = [first.slice(0, 9), second.slice(0, 12)];

const vector = (size: number): number[] => Array.from({ length: size }, (_, i) => Math.sin(1 + i));
const freeze = async (phi: LanguageModel): Promise<Edit> => ({
  op: "replace",
  at: "pattern0",
  value: (await phi.run(first, { capture: ["pattern0"] })).get("pattern0"),
  heads: [1, 3],
  positions: { from: 2, to: 11 },
});
const EDITS: Record<string, (phi: LanguageModel) => Promise<Edit[]>> = {
  "a vector added everywhere": async () => [
    { op: "add", at: "resid_pre1", value: vector(64), scale: 0.3 },
  ],
  "a head switched off from a position on": async () => [
    { op: "zero", at: "z0", heads: [2], positions: { from: 4 } },
  ],
  "keys, values and scores": async () => [
    { op: "scale", at: "k1", factor: 1.5, positions: [3, 10] },
    { op: "scale", at: "v0", factor: -1 },
    { op: "scale", at: "attn_scores1", factor: 2, heads: [0] },
  ],
  "a frozen pattern": async (phi) => [await freeze(phi)],
  "the last block, the final norm and the logits": async () => [
    { op: "add", at: "resid_post-1", value: vector(64) },
    { op: "scale", at: "ln_final.hook_scale", factor: 0.5, positions: { from: 3 } },
    { op: "add", at: "hook_logits", value: [3], scale: 1, units: [7], positions: { from: 10 } },
  ],
  "neurons, through a function of the host": async () => [
    { op: "clamp", at: "mlp_post1", min: 0, max: 0.5, units: [1, 2, 3] },
    { op: "callback", at: "mlp_out0", positions: { from: 5 }, apply: (x) => x.map((v) => v / 2) },
  ],
  "what heads add": async () => [{ op: "scale", at: "result1", factor: 2, heads: [1] }],
};

async function generated(
  phi: LanguageModel,
  options: GenerateOptions,
): Promise<{ id: number; logprob: number }[][]> {
  const texts: { id: number; logprob: number }[][] = prompts.map(() => []);
  for await (const { index, id, logprob } of phi.generateBatch(prompts, {
    temperature: 0,
    maxTokens: 8,
    ...options,
  }))
    texts[index]?.push({ id, logprob });
  return texts;
}

describe("edits of a text that is generated", () => {
  for (const [what, editsOf] of Object.entries(EDITS))
    it(`give the same logits as one forward pass: ${what}`, async () => {
      await using phi = await LanguageModel.open(fixture("phi-mini"), {
        mode: "reference",
        threads: 1,
      });
      const edits = await editsOf(phi);
      const texts = await generated(phi, { edits });
      for (const [b, text] of texts.entries())
        for (const [n, { id, logprob }] of text.entries()) {
          const ids = [...(prompts[b] ?? []), ...text.slice(0, n).map(({ id }) => id)];
          const inside = edits.filter(({ positions }) => fits(positions, ids.length));
          const clipped = inside.map((edit) => clip(edit, ids.length));
          const [logits = new Float32Array()] = (await phi.run(ids, { edits: clipped })).logits;
          expect(Math.abs(logprob - ((logits[id] as number) - logSumExp(logits)))).toBeLessThan(
            1e-4,
          );
        }
    });

  it("leave nothing behind for calls without them, nor take anything from these", async () => {
    await using phi = await LanguageModel.open(fixture("phi-mini"), { threads: 1 });
    const edits: Edit[] = [{ op: "add", at: "resid_pre0", value: vector(64) }];
    const [plain, edited] = [await generated(phi, {}), await generated(phi, { edits })];
    expect(edited).not.toEqual(plain);
    expect(await generated(phi, {})).toEqual(plain);
    expect(await generated(phi, { edits })).toEqual(edited);
  });

  it("begin and end with the steps that they name", async () => {
    await using phi = await LanguageModel.open(fixture("phi-mini"), { threads: 1 });
    const at = "hook_logits";
    const pushed = (steps: { from?: number; to?: number }, id: number): Edit => ({
      op: "add",
      at,
      value: [1000],
      units: [id],
      steps,
    });
    const edits = [pushed({ to: 2 }, 5), pushed({ from: 2, to: 4 }, 6), pushed({ from: 4 }, 7)];
    const texts = await generated(phi, { edits });
    // Step 0 reads the prompt and gives the first token; step n reads token n and gives the next.
    for (const text of texts) expect(text.map(({ id }) => id)).toEqual([5, 5, 6, 6, 7, 7, 7, 7]);
  });
});

function fits(positions: Edit["positions"], length: number): boolean {
  if (positions === undefined) return true;
  if ("length" in positions) return positions.some((p) => p < length);
  return (positions.from ?? 0) < length;
}

/** In a forward pass positions must lie in the prompt. */
function clip(edit: Edit, length: number): Edit {
  const { positions } = edit;
  if (positions === undefined) return edit;
  if (Array.isArray(positions)) return { ...edit, positions: positions.filter((p) => p < length) };
  const { from = 0, to = length } = positions as { from?: number; to?: number };
  return { ...edit, positions: { from, to: Math.min(to, length) } };
}
