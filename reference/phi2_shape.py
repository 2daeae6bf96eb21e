#!/usr/bin/env python3
"""Two layers of Phi-2's exact shape in transformers (F32, eager attention), as a fixture for philab.

The weights are not stored anywhere: they follow from a counter, so that `test/support/phi-2-shape.ts` makes the very
same arrays. The recipe:

1. The parameters are laid out one after another in the order of `parameters()`, each row-major. Element number `c` of
   this sequence (419,543,040 elements; `c` starts at 0) has the 32-bit word

       x = (c + 0x9e3779b9) mod 2^32
       x ^= x >> 16;  x = x * 0x7feb352d mod 2^32
       x ^= x >> 15;  x = x * 0x846ca68b mod 2^32
       x ^= x >> 16                                        (the integer hash "lowbias32" of Chris Wellons)

2. Its upper eleven bits, k = (x >> 21) - 1024 in [-1024, 1023], give the value by the kind of parameter:

       norm      1 + floor(k / 16) / 256    LayerNorm weights, 0.75 ... 1.25
       bias      k / 8192                   all biases, +-0.125
       embedding k / 8192                   embed_tokens, +-0.125
       matrix    k / 32768                  all other matrices, +-0.03125 (standard deviation 0.018)

   Every value is exact in F32 and in F16: a copy in F16 holds the same model.

Usage: python phi2_shape.py            writes test/fixtures/phi-2-shape.json (about a minute, 6 GB of memory)
       python phi2_shape.py --save DIR also saves the model there as a Hugging Face directory (1.7 GB)
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import PhiConfig, PhiForCausalLM

LAYERS, WIDTH, HEADS, MLP_WIDTH, VOCABULARY = 2, 2560, 32, 10_240, 51_200
EDGE = 4096  # elements hashed at either end of every parameter
FIXTURE = Path(__file__).parent.parent / "test" / "fixtures" / "phi-2-shape.json"


def parameters() -> list[tuple[str, list[int], str]]:
    """(Hugging Face name, shape, kind) of every parameter, in the order in which they are counted."""
    listed: list[tuple[str, list[int], str]] = [("model.embed_tokens.weight", [VOCABULARY, WIDTH], "embedding")]

    def linear(name: str, rows: int, columns: int) -> None:
        listed.append((f"{name}.weight", [rows, columns], "matrix"))
        listed.append((f"{name}.bias", [rows], "bias"))

    def norm(name: str) -> None:
        listed.append((f"{name}.weight", [WIDTH], "norm"))
        listed.append((f"{name}.bias", [WIDTH], "bias"))

    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        norm(f"{prefix}.input_layernorm")
        for projection in ("q_proj", "k_proj", "v_proj", "dense"):
            linear(f"{prefix}.self_attn.{projection}", WIDTH, WIDTH)
        linear(f"{prefix}.mlp.fc1", MLP_WIDTH, WIDTH)
        linear(f"{prefix}.mlp.fc2", WIDTH, MLP_WIDTH)
    norm("model.final_layernorm")
    linear("lm_head", VOCABULARY, WIDTH)
    return listed


def words(start: int, count: int) -> np.ndarray:
    """The 32-bit words of elements start ... start + count - 1."""
    x = np.arange(start, start + count, dtype=np.uint32) + np.uint32(0x9E3779B9)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def values(start: int, count: int, kind: str) -> np.ndarray:
    k = (words(start, count) >> np.uint32(21)).astype(np.int32) - 1024
    if kind == "norm":
        return (1 + (k >> 4) / 256).astype(np.float32)
    return k.astype(np.float32) / np.float32(32_768 if kind == "matrix" else 8192)


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.astype("<f4", copy=False).tobytes()).hexdigest()


def build() -> tuple[PhiForCausalLM, list[dict]]:
    config = PhiConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=MLP_WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        hidden_act="gelu_new",
        layer_norm_eps=1e-5,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.4},
        tie_word_embeddings=False,
        bos_token_id=50_256,
        eos_token_id=50_256,
        attn_implementation="eager",
    )
    with torch.device("meta"):
        model = PhiForCausalLM(config)
    state: dict[str, torch.Tensor] = {}
    listing: list[dict] = []
    offset = 0
    for name, shape, kind in parameters():
        count = int(np.prod(shape))
        array = values(offset, count, kind)
        listing.append(
            {
                "name": name,
                "shape": shape,
                "offset": offset,
                "sha256": sha256(array),
                "sha256_head": sha256(array[:EDGE]),
                "sha256_tail": sha256(array[-EDGE:]),
            }
        )
        state[name] = torch.from_numpy(array.reshape(shape))
        offset += count
    model.load_state_dict(state, strict=True, assign=True)
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config)  # its buffers were on the meta device
    return model.eval(), listing


def shape_of(config: PhiConfig) -> dict:
    """What of the configuration decides the numbers, under the names of Phi-2's own config.json."""
    names = """model_type vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads
        hidden_act layer_norm_eps max_position_embeddings tie_word_embeddings qk_layernorm bos_token_id eos_token_id"""
    rope = {name: config.rope_parameters[name] for name in ("partial_rotary_factor", "rope_theta")}
    return {**{name: getattr(config, name) for name in names.split()}, **rope}


def prompts() -> list[list[int]]:
    """Seven ids with both ends of the vocabulary, and forty from the same hash."""
    return [[0, 51_199, 50_256, 15_496, 2159, 13, 198], [int(x) for x in words(1 << 31, 40) % np.uint32(VOCABULARY)]]


def sample(row: torch.Tensor, columns: list[int]) -> dict:
    """Chosen columns of a row and the norm of the whole of it."""
    return {"values": [float(row[c]) for c in columns], "norm": float(row.double().norm())}


@torch.no_grad()
def forward(model: PhiForCausalLM, ids: list[int]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits [T, V] and the residual stream [T, D] after the embedding, after each layer, and after the last LayerNorm."""
    blocks: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(lambda _m, _i, out: blocks.append(out[0])) for layer in model.model.layers]
    hooks.append(model.model.embed_tokens.register_forward_hook(lambda _m, _i, out: blocks.append(out[0])))
    hooks.append(model.model.final_layernorm.register_forward_hook(lambda _m, _i, out: blocks.append(out[0])))
    logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    return logits, blocks


def expectations(model: PhiForCausalLM, ids: list[int], logit_columns: list[int], hidden_columns: list[int]) -> dict:
    logits, hidden = forward(model, ids)
    last = logits[-1]
    logprobs = logits.double().log_softmax(-1)
    top = last.topk(10)
    return {
        "ids": ids,
        # log-probability of each next token: ids[1:] given what precedes them
        "next_logprobs": [float(logprobs[t, ids[t + 1]]) for t in range(len(ids) - 1)],
        "last_logits": {**sample(last, logit_columns), "sum": float(last.double().sum())},
        "top10": [[int(i), float(v)] for v, i in zip(top.values, top.indices)],
        "hidden": {
            name: {"first": sample(h[0], hidden_columns), "last": sample(h[-1], hidden_columns)}
            for name, h in zip(["embed", *[f"block_{layer}" for layer in range(LAYERS)], "final_norm"], hidden)
        },
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--save", metavar="DIR", help="also save the model as a Hugging Face directory")
    options = arguments.parse_args()

    torch.manual_seed(0)
    model, listing = build()
    if options.save:
        model.save_pretrained(options.save)
    logit_columns = [i * VOCABULARY // 64 for i in range(63)] + [VOCABULARY - 1]
    hidden_columns = [i * WIDTH // 32 for i in range(31)] + [WIDTH - 1]
    cases = [expectations(model, ids, logit_columns, hidden_columns) for ids in prompts()]
    single = [forward(model, ids)[0].double() for ids in prompts()]
    model.double()  # how far F32 itself is from the truth: the tolerance of a test has to leave room for it
    error = max(float((forward(model, ids)[0] - row).abs().max()) for ids, row in zip(prompts(), single))

    FIXTURE.write_text(
        json.dumps(
            {
                "made_by": "reference/phi2_shape.py",
                "with": f"transformers {transformers.__version__}, torch {torch.__version__}, F32, eager attention",
                "config": shape_of(model.config),
                "max_logit_error_of_f32": error,
                "edge": EDGE,
                "logit_columns": logit_columns,
                "hidden_columns": hidden_columns,
                "cases": cases,
                "parameters": listing,
            },
            indent=1,
        )
        + "\n"
    )
    print(f"{FIXTURE}: {FIXTURE.stat().st_size} bytes; F32 differs from F64 by at most {error:.2e}")


if __name__ == "__main__":
    main()
