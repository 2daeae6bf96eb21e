/** The dictionaries that come with phi-nano, on texts that neither they nor the model have seen. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { formatNumber } from "../../src/base/format.ts";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { listDictionaries } from "../../src/catalog/dictionaries.ts";
import { evaluateDictionary, readDictionary } from "../../src/features/index.ts";
import { readSequences } from "../../src/features/sequences.ts";
import { open } from "../../src/open.ts";
import { homeFolders } from "../../src/base/settings.ts";

const folder = path.join(PACKAGE_ROOT, "models", "phi-nano", "dictionaries");
const phi = await open("phi-nano", { threads: 1 });
afterAll(() => phi[Symbol.asyncDispose]());
const known = (await listDictionaries(homeFolders("/nowhere"))).filter(({ name }) =>
  name.startsWith("phi-nano."),
);
const sequences = await readSequences(phi, [path.join(folder, "texts.jsonl")], {
  ...{ tokens: 500, length: 128 },
});

describe("phi-nano's dictionaries", () => {
  it("are an autoencoder of the stream and a transcoder of the MLP for every layer, of this very model", () => {
    const layers = Array.from({ length: phi.config.layers }, (_, l) => l);
    expect(known.map(({ name, output }) => [name, output])).toEqual([
      ...layers.map((l) => [`phi-nano.resid-${l}`, `blocks.${l}.hook_resid_post`]),
      ...layers.map((l) => [`phi-nano.transcoder-${l}`, `blocks.${l}.hook_mlp_out`]),
    ]);
    for (const { metadata } of known) expect(metadata["model_sha256"]).toBe(phi.fingerprint());
  });

  // Those of the first, the middle and the last layer; of the transcoders the worst.
  const judged = known.filter(({ name }) => /resid-[035]|transcoder-4/.test(name));
  it.each(judged.map((own) => [own.name, own] as const))(
    "%s explains more of texts that are new to it than a PCA of as many components that was fitted to them",
    async (_, { path: own, kind, metrics }) => {
      const dictionary = await readDictionary(own);
      const found = await evaluateDictionary(phi, dictionary, sequences);
      if (kind === "sae") expect(found.l0).toBe(16);
      else expect(Math.abs(found.l0 - 16)).toBeLessThan(8);
      expect(found.explained_variance).toBeGreaterThan(found.pca_explained_variance);
      expect(found.explained_variance).toBeGreaterThan(0.7);
      // Its card says what its training measured.
      const card = readFileSync(path.join(own, "README.md"), "utf8");
      expect(card).toContain(formatNumber(metrics!["explained_variance"]!));
      expect(card).toContain("philab sae train --model phi-nano");
    },
  );
});
