#!/usr/bin/env python3
"""A `phi2` GGUF file with random weights, written tensor by tensor: any size in little memory, for measuring speed.

    python random_gguf.py phi-2.gguf --type q4_k_m                       Phi-2's shape, 1.8 GB
    python random_gguf.py small.gguf --layers 4 --width 256 --heads 8 --vocabulary 512 --type q8_0

Quantised blocks are random bytes with scales that make the weights' standard deviation about 0.02. `q4_k_m` mixes types as
llama-quantize does (see `matrix_type`). With `--tokenizer DIR` the file gets that tokenizer, otherwise 256 bytes and padding.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from phi2_gguf import add_byte_tokenizer, add_tokenizer, writer_for

FILE_TYPES = {
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
    "q4_k_m": gguf.LlamaFileType.MOSTLY_Q4_K_M,
}
CHUNK_BLOCKS = 1 << 16


def use_more_bits(layer: int, layers: int) -> bool:
    """llama-quantize's choice of the layers that keep more precision."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def matrix_type(name: str, kind: str, layers: int) -> Type:
    """llama-quantize's types: q4_0 and q4_k_m keep the head in q6_k, q4_k_m also the values and ffn_down of some layers."""
    if kind in ("f16", "q8_0"):
        return Type[kind.upper()]
    if name == "output.weight":
        return Type.Q6_K
    if kind == "q4_k_m" and name.startswith("blk.") and use_more_bits(int(name.split(".")[1]), layers):
        if any(part in name for part in (".attn_qkv.", ".attn_v.", ".ffn_down.")):
            return Type.Q6_K
    return Type.Q4_0 if kind == "q4_0" else Type.Q4_K


def f16_bytes(value: float) -> np.ndarray:
    return np.frombuffer(np.float16(value).tobytes(), dtype=np.uint8)


def random_blocks(random: np.random.Generator, kind: Type, blocks: int) -> np.ndarray:
    """[blocks, bytes per block] of uint8: random bytes, then the fields that have to be sane."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    if kind == Type.F16:
        return (random.standard_normal(blocks, dtype=np.float32) * 0.02).astype(np.float16).view(np.uint8).reshape(-1, 2)
    data = np.frombuffer(random.bytes(blocks * size), dtype=np.uint8).reshape(blocks, size).copy()
    if kind == Type.Q8_0:  # d, 32 × int8
        data[:, 0:2] = f16_bytes(0.02 / 74)
    elif kind == Type.Q4_0:  # d, 32 × 4 bits - 8
        data[:, 0:2] = f16_bytes(0.02 / 4.6)
    elif kind == Type.Q4_K:  # d, dmin, 12 bytes of 6-bit scales and minima, 256 × 4 bits: d·scale·q - dmin·minimum
        data[:, 0:2], data[:, 2:4] = f16_bytes(8e-5), f16_bytes(8e-5 * 7.5)
    elif kind == Type.Q6_K:  # 256 × 6 bits - 32 in two parts, 16 × int8 scales, d
        data[:, 192:208] = (data[:, 192:208] % 33).astype(np.int16) - 16 & 0xFF
        data[:, 208:210] = f16_bytes(1.1e-4)
    else:
        raise ValueError(f"no recipe for random blocks of {kind.name}")
    return data


def tensors(options: argparse.Namespace) -> list[tuple[str, tuple[int, ...]]]:
    """(name, row-major shape) in the order of llama.cpp's converter."""
    width, mlp = options.width, 4 * options.width
    listed: list[tuple[str, tuple[int, ...]]] = [("token_embd.weight", (options.vocabulary, width))]

    def linear(name: str, rows: int, columns: int) -> None:
        listed.append((f"{name}.weight", (rows, columns)))
        listed.append((f"{name}.bias", (rows,)))

    def norm(name: str) -> None:
        listed.append((f"{name}.weight", (width,)))
        listed.append((f"{name}.bias", (width,)))

    for layer in range(options.layers):
        block = f"blk.{layer}"
        norm(f"{block}.attn_norm")
        if options.qkv == "fused":
            linear(f"{block}.attn_qkv", 3 * width, width)
        else:
            for part in "qkv":
                linear(f"{block}.attn_{part}", width, width)
        linear(f"{block}.attn_output", width, width)
        linear(f"{block}.ffn_up", mlp, width)
        linear(f"{block}.ffn_down", width, mlp)
    norm("output_norm")
    linear("output", options.vocabulary, width)
    return listed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out")
    arguments.add_argument("--type", choices=FILE_TYPES, default="q4_k_m")
    arguments.add_argument("--qkv", choices=["fused", "split"], default="fused")
    arguments.add_argument("--layers", type=int, default=32)
    arguments.add_argument("--width", type=int, default=2560)
    arguments.add_argument("--heads", type=int, default=32)
    arguments.add_argument("--rotary", type=int, default=32, help="rotary dimensions of a head")
    arguments.add_argument("--vocabulary", type=int, default=51_200)
    arguments.add_argument("--context", type=int, default=2048)
    arguments.add_argument("--tokenizer", metavar="DIR", help="directory with a tokenizer.json (end token 50256)")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()

    config = {
        "hidden_size": options.width,
        "intermediate_size": 4 * options.width,
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.heads,
        "max_position_embeddings": options.context,
        "layer_norm_eps": 1e-5,
        "partial_rotary_factor": options.rotary * options.heads / options.width,
        "rope_theta": 10_000.0,
    }
    writer = writer_for(options.out, config, FILE_TYPES[options.type], "random phi")
    if options.tokenizer:
        add_tokenizer(writer, options.tokenizer, options.vocabulary, 50_256)
    else:
        add_byte_tokenizer(writer, options.vocabulary)

    listed = tensors(options)
    types = {name: matrix_type(name, options.type, options.layers) for name, shape in listed if len(shape) == 2}
    for name, shape in listed:
        kind = types.get(name, Type.F32)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        if shape[-1] % block:
            raise SystemExit(f"{name}: a row of {shape[-1]} is no whole number of {kind.name} blocks of {block}")
        writer.add_tensor_info(name, shape, np.float32, int(np.prod(shape)) // block * size, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()

    random = np.random.default_rng(options.seed)
    (out,) = writer.fout
    for name, shape in listed:
        writer.write_padding(out, out.tell())
        if name not in types:
            values = random.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
            out.write((values + np.float32(1) if name.endswith("norm.weight") else values).tobytes())
            continue
        blocks = int(np.prod(shape)) // gguf.GGML_QUANT_SIZES[types[name]][0]
        for start in range(0, blocks, CHUNK_BLOCKS):
            out.write(random_blocks(random, types[name], min(CHUNK_BLOCKS, blocks - start)).tobytes())
    writer.write_padding(out, out.tell())
    writer.close()
    print(f"{options.out}: {len(listed)} tensors, {Path(options.out).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
