/**
 * Programs written into a Phi's weights, in the manner of Tracr (Lindner et al. 2023, arXiv 2301.05062): which edges carry
 * them is known. Two layers; heads and MLPs that are not part of a program hold random weights, and write where no part of it reads.
 *
 * LayerNorm would divide by what it likes: a large constant in the stream decides its scale, and what it divides by is put
 * back. In layer 0 the constant comes with the embedding, later with a bias, which no ablation takes away.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../src/base/random.ts";
import { writeSafetensors } from "../../src/checkpoint/index.ts";
import { listParameters } from "../../src/model/parameters.ts";
import { PHI_2_SHAPE_CONFIG } from "./phi-2-shape.ts";

export const COMPILED_VOCABULARY = 10;
const [HEADS, HEAD_SIZE, ROTARY, LAYERS, MLP_WIDTH] = [3, 32, 16, 2, 24];
const WIDTH = HEADS * HEAD_SIZE;
const THETA = 10;

/** Where things stand in the stream. */
const TOKEN = 0;
const PREVIOUS = TOKEN + COMPILED_VOCABULARY;
const ANSWER = PREVIOUS + COMPILED_VOCABULARY;
const FLAG = ANSWER + COMPILED_VOCABULARY;
/** Takes what makes every write sum to 0, so that LayerNorm's mean takes nothing away. */
const BALANCE = FLAG + 1;
const ELSEWHERE = BALANCE + 1;
const ELSEWHERE_SIZE = 16;
const SMALL = ELSEWHERE + ELSEWHERE_SIZE;
const LARGE = SMALL + 2;
const [SMALL_SIZE, LARGE_SIZE] = [30, 1000];

type Weights = Map<string, { shape: readonly number[]; values: Float32Array }>;

export interface Compiled {
  /** The edges that carry the program. */
  edges: readonly string[];
}

/** `[outputs, inputs]`, one value. */
function set(weights: Weights, name: string, row: number, column: number, value: number): void {
  const { shape, values } = weights.get(name)!;
  values[row * (shape[1] ?? 1) + column] = value;
}

function setBias(weights: Weights, name: string, row: number, value: number): void {
  weights.get(name)!.values[row] = value;
}

/** A write to the stream and its balance. */
function write(weights: Weights, name: string, to: number, from: number, value: number): void {
  set(weights, name, to, from, value);
  const { shape, values } = weights.get(name)!;
  values[BALANCE * (shape[1] ?? 1) + from]! -= value;
}

function blank(random: Random): Weights {
  const config = {
    ...{ layers: LAYERS, heads: HEADS, headSize: HEAD_SIZE, width: WIDTH, mlpWidth: MLP_WIDTH },
    ...{ rotaryDims: ROTARY, vocabSize: COMPILED_VOCABULARY, contextLength: 64 },
    ...{ ropeTheta: THETA, layerNormEps: 1e-5 },
  };
  const weights: Weights = new Map(
    listParameters(config).map(({ name, shape }) => [
      name,
      { shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
    ]),
  );
  const scale = (size: number): number => size * Math.sqrt(2 / WIDTH);
  for (let token = 0; token < COMPILED_VOCABULARY; token++) {
    const row = (at: number, value: number): void => {
      set(weights, "model.embed_tokens.weight", token, at, value);
    };
    row(TOKEN + token, 1);
    row(BALANCE, -1);
    row(SMALL, SMALL_SIZE);
    row(SMALL + 1, -SMALL_SIZE);
  }
  const norms = ["model.layers.0.input_layernorm", "model.layers.1.input_layernorm"];
  [...norms, "model.final_layernorm"].forEach((name, i) => {
    weights.get(`${name}.weight`)!.values.fill(scale(i === 0 ? SMALL_SIZE : LARGE_SIZE));
  });
  setBias(weights, "model.layers.0.self_attn.dense.bias", LARGE, LARGE_SIZE);
  setBias(weights, "model.layers.0.self_attn.dense.bias", LARGE + 1, -LARGE_SIZE);
  // Parts that do something, where nobody looks.
  for (let l = 0; l < LAYERS; l++) {
    const at = `model.layers.${l}`;
    const fill = (
      name: string,
      rows: [number, number],
      columns: [number, number],
      put = set,
    ): void => {
      for (let r = rows[0]; r < rows[1]; r++)
        for (let c = columns[0]; c < columns[1]; c++)
          put(weights, `${at}.${name}.weight`, r, c, 0.5 * random.normal());
    };
    const rest: [number, number] = [ELSEWHERE, ELSEWHERE + ELSEWHERE_SIZE];
    for (const port of ["q_proj", "k_proj", "v_proj"])
      for (const from of [[TOKEN, PREVIOUS], rest] as [number, number][])
        fill(`self_attn.${port}`, [HEAD_SIZE, WIDTH], from);
    fill("self_attn.dense", rest, [HEAD_SIZE, WIDTH], write);
    for (const from of [[TOKEN, PREVIOUS], rest] as [number, number][])
      fill("mlp.fc1", [4, MLP_WIDTH], from);
    fill("mlp.fc2", rest, [4, MLP_WIDTH], write);
  }
  return weights;
}

/**
 * What followed the last time (Elhage et al. 2021): a head of layer 0 writes which token came before, a head of layer 1 looks
 * for the present token among these, and says what stands there.
 */
function induction(weights: Weights): Compiled {
  const at = (l: number, name: string): string => `model.layers.${l}.self_attn.${name}`;
  const sharp = 5;
  for (let i = 0; i < ROTARY / 2; i++) {
    const angle = THETA ** ((-2 * i) / ROTARY);
    setBias(weights, at(0, "q_proj.bias"), i, sharp);
    setBias(weights, at(0, "k_proj.bias"), i, sharp * Math.cos(angle));
    setBias(weights, at(0, "k_proj.bias"), i + ROTARY / 2, sharp * Math.sin(angle));
  }
  for (let token = 0; token < COMPILED_VOCABULARY; token++) {
    set(weights, at(0, "v_proj.weight"), token, TOKEN + token, 1);
    write(weights, at(0, "dense.weight"), PREVIOUS + token, token, 1);
    set(weights, at(1, "q_proj.weight"), ROTARY + token, TOKEN + token, 8);
    set(weights, at(1, "k_proj.weight"), ROTARY + token, PREVIOUS + token, 8);
    set(weights, at(1, "v_proj.weight"), token, TOKEN + token, 1);
    write(weights, at(1, "dense.weight"), ANSWER + token, token, 1);
    set(weights, "lm_head.weight", token, ANSWER + token, 10);
  }
  return {
    edges: [
      ...["input->a0.h0<v>", "a0.h0->a1.h0<k>", "input->a1.h0<q>", "input->a1.h0<v>"],
      "a1.h0->logits",
    ],
  };
}

/** The share of token 0 among all tokens so far (Tracr's `frac_prevs`): an MLP sees it, a head takes the mean. */
function proportion(weights: Weights): Compiled {
  const mlp = "model.layers.0.mlp";
  set(weights, `${mlp}.fc1.weight`, 0, TOKEN, 20);
  setBias(weights, `${mlp}.fc1.bias`, 0, -10);
  write(weights, `${mlp}.fc2.weight`, FLAG, 0, 0.1);
  set(weights, "model.layers.1.self_attn.v_proj.weight", 0, FLAG, 1);
  write(weights, "model.layers.1.self_attn.dense.weight", ANSWER, 0, 1);
  set(weights, "lm_head.weight", 0, ANSWER, 12);
  setBias(weights, "lm_head.bias", 0, -4);
  return { edges: ["input->m0", "m0->a1.h0<v>", "a1.h0->logits"] };
}

export const PROGRAMS = { induction, proportion } as const;

/** Writes the model of a program as a Hugging Face directory. */
export async function writeCompiledPhi(
  directory: string,
  program: keyof typeof PROGRAMS,
): Promise<Compiled> {
  const weights = blank(new Random(5));
  const compiled = PROGRAMS[program](weights);
  mkdirSync(directory, { recursive: true });
  const config = {
    ...PHI_2_SHAPE_CONFIG,
    ...{ hidden_size: WIDTH, intermediate_size: MLP_WIDTH, num_hidden_layers: LAYERS },
    ...{ num_attention_heads: HEADS, num_key_value_heads: HEADS, vocab_size: COMPILED_VOCABULARY },
    ...{ partial_rotary_factor: ROTARY / HEAD_SIZE, rope_theta: THETA },
    ...{ max_position_embeddings: 64, bos_token_id: null, eos_token_id: null },
  };
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  await writeSafetensors(
    join(directory, "model.safetensors"),
    [...weights].map(([name, { shape }]) => ({ name, shape, dtype: "f32" })),
    ({ name }) => [new Uint8Array(weights.get(name)!.values.buffer)],
  );
  return compiled;
}
