#!/usr/bin/env python3
"""A Hugging Face directory as a `phi2` GGUF file, with python's gguf package: a second opinion on philab's converter.

    python to_gguf.py DIR OUT.gguf [--type f16|f32|q8_0|q4_0] [--qkv fused|split]

Matrices take the type, vectors stay F32 (llama.cpp's rule). Loads the whole model: meant for small ones.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
from common import load_model
from phi2_gguf import add_tokenizer, gguf_name, writer_for

TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}


def fuse(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """q_proj, k_proj and v_proj stacked, in this order, in the place of q_proj."""
    fused: dict[str, np.ndarray] = {}
    for name, array in state.items():
        if ".q_proj." in name:
            stacked = [state[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            fused[gguf_name(name).replace("attn_q", "attn_qkv")] = np.concatenate(stacked)
        elif ".k_proj." not in name and ".v_proj." not in name:
            fused[gguf_name(name)] = array
    return fused


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory")
    arguments.add_argument("out")
    arguments.add_argument("--type", choices=TYPES, default="f16")
    arguments.add_argument("--qkv", choices=["fused", "split"], default="fused")
    options = arguments.parse_args()

    config = json.loads((Path(options.directory) / "config.json").read_text())
    state = {name: tensor.numpy() for name, tensor in load_model(options.directory).state_dict().items()}
    tensors = fuse(state) if options.qkv == "fused" else {gguf_name(name): array for name, array in state.items()}
    kind, file_type = TYPES[options.type]
    writer = writer_for(options.out, config, file_type, Path(options.directory).resolve().name)
    add_tokenizer(writer, options.directory, config["vocab_size"], config["eos_token_id"])
    for name, array in tensors.items():
        if array.ndim == 1:
            writer.add_tensor(name, array.astype(np.float32))
        else:
            writer.add_tensor(name, gguf.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{options.out}: {len(tensors)} tensors, {Path(options.out).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
