/** A view of weights as a Hugging Face directory, to run what an analysis works with. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeSafetensors } from "../../src/checkpoint/index.ts";
import type { WeightView } from "../../src/interpret/index.ts";
import { toHuggingFace } from "../../src/model/config-huggingface.ts";
import { listParameters } from "../../src/model/parameters.ts";

export async function writeView(view: WeightView, folder: string): Promise<void> {
  const { config } = view;
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify(toHuggingFace(config, { dtype: "f32" })),
  );
  const { norm, head } = await view.unembed();
  const found = new Map<string, Float32Array>([
    ["model.embed_tokens.weight", await view.embedding()],
  ]);
  const add = (name: string, { weight, bias }: typeof norm): void => {
    found.set(`${name}.weight`, weight).set(`${name}.bias`, bias);
  };
  add("model.final_layernorm", norm);
  add("lm_head", head);
  for (let l = 0; l < config.layers; l++) {
    const { norm, q, k, v, dense, mlp } = await view.block(l);
    const at = `model.layers.${l}`;
    add(`${at}.input_layernorm`, norm);
    add(`${at}.self_attn.q_proj`, q);
    add(`${at}.self_attn.k_proj`, k);
    add(`${at}.self_attn.v_proj`, v);
    add(`${at}.self_attn.dense`, dense);
    if (mlp !== undefined) {
      add(`${at}.mlp.fc1`, mlp.fc1);
      add(`${at}.mlp.fc2`, mlp.fc2);
    }
  }
  const specs = listParameters(config).map(
    ({ name, shape }) => ({ name, shape, dtype: "f32" }) as const,
  );
  await writeSafetensors(join(folder, "model.safetensors"), specs, ({ name }) => {
    const values = found.get(name) ?? new Float32Array();
    return [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)];
  });
}
