/**
 * A small Phi with Phi-2's tokenizer and weights that are computed, not stored: the same arrays, bit for bit, as
 * `reference/lm_eval_oracle.py` gives to lm-evaluation-harness.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { writeSafetensors } from "../../src/checkpoint/index.ts";
import { fixture } from "./golden.ts";
import { PHI_2_SHAPE_CONFIG, phi2ShapeParameters, phi2ShapeValues } from "./phi-2-shape.ts";

const SHAPE = { layers: 4, width: 128, mlpWidth: 512, vocabulary: 51_200 };

/** Writes the model as a Hugging Face directory (56 MB). */
export async function writeRandomPhi(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const parameters = phi2ShapeParameters(SHAPE).map((parameter) => ({
    ...parameter,
    // Larger than in Phi-2's shape, so that a narrow model tells tokens apart.
    kind: parameter.kind === "matrix" ? ("embedding" as const) : parameter.kind,
  }));
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const config = {
    ...PHI_2_SHAPE_CONFIG,
    hidden_size: SHAPE.width,
    intermediate_size: SHAPE.mlpWidth,
    num_hidden_layers: SHAPE.layers,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    partial_rotary_factor: 0.5,
  };
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  const tokenizer = gunzipSync(await readFile(fixture("phi-2-tokenizer.json.gz")));
  await writeFile(join(directory, "tokenizer.json"), tokenizer);
  const token = "<|endoftext|>";
  const special = { bos_token: token, eos_token: token, unk_token: token };
  await writeFile(join(directory, "tokenizer_config.json"), JSON.stringify(special));
  await writeSafetensors(
    join(directory, "model.safetensors"),
    parameters.map(({ name, shape }) => ({ name, shape, dtype: "f32" })),
    function* ({ name }) {
      const parameter = byName.get(name);
      if (parameter) yield new Uint8Array(phi2ShapeValues(parameter).buffer);
    },
  );
}
