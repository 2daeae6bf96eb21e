#!/usr/bin/env python3
"""Tiny random models of the architectures that Phi is compared with, and what transformers computes with them.

Made with it: test/fixtures/comparison/{gpt2,llama}, each with

    config.json, model.safetensors   as transformers saves it, F32
    expected.safetensors             every hook of one prompt (dump.py), logits, and in its metadata a greedy continuation
    q8_0.gguf                        its matrices in Q8_0, named and ordered as llama.cpp's converter does
    q8_0.safetensors                 logits of the same prompt with those weights, decoded
    mistral.json                     of llama: logits of the same weights as MistralForCausalLM, inside a window of 16

    python comparison_models.py test/fixtures/comparison
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from dump import dump, load
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

IDS = [3, 17, 99, 4, 58, 120, 7, 7, 31, 64]
NEW_TOKENS = 16
Q8_0 = gguf.GGMLQuantizationType.Q8_0

GPT2 = GPT2Config(
    vocab_size=128, n_positions=48, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0,
    resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
)  # fmt: skip
LLAMA = LlamaConfig(
    vocab_size=128, hidden_size=32, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
    tie_word_embeddings=False,
)  # fmt: skip


def randomize(model: torch.nn.Module) -> None:
    """Weights large enough that every part matters, and norms that are not 1."""
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_norm = "ln_" in name or "norm" in name
        parameter.data = 1 + 0.2 * noise if is_norm and name.endswith("weight") else 0.2 * noise


def make(model: torch.nn.Module, folder: Path) -> None:
    randomize(model)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    loaded = load(str(folder))
    values = dump(loaded, torch.tensor([IDS]), re.compile(""), gradients=False)
    with torch.no_grad():
        greedy = IDS + continuation(loaded, IDS)
    metadata = {"made_by": "reference/dump.py", "input_ids": json.dumps([IDS]), "greedy_ids": json.dumps(greedy)}
    save_file(values, folder / "expected.safetensors", metadata=metadata)


def continuation(model: torch.nn.Module, ids: list[int]) -> list[int]:
    new: list[int] = []
    for _ in range(NEW_TOKENS):
        logits = model(torch.tensor([ids + new]), use_cache=False).logits[0, -1]
        new.append(int(logits.argmax()))
    return new


def write_gguf(model: torch.nn.Module, path: Path, architecture: str) -> None:
    """Q8_0 where a row is whole blocks; leaves the decoded values in the model."""
    writer = gguf.GGUFWriter(str(path), architecture)
    config = model.config
    is_gpt2 = architecture == "gpt2"
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_feed_forward_length(4 * config.hidden_size if is_gpt2 else config.intermediate_size)
    writer.add_vocab_size(config.vocab_size)
    if is_gpt2:
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2 if is_gpt2 else gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, parameter in model.named_parameters():
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        values = parameter.detach().numpy()
        turned = is_gpt2 and re.search(r"\.c_\w+\.weight$", name) is not None
        heads = {"q_proj": config.num_attention_heads, "k_proj": getattr(config, "num_key_value_heads", 0)}
        permuted = next((count for key, count in heads.items() if f".{key}." in name), None)
        values = values.T if turned else values
        if values.ndim == 1 or "wpe" in name:
            writer.add_tensor(stored, np.ascontiguousarray(values))
            continue
        quantized = gguf.quants.quantize(np.ascontiguousarray(values), Q8_0)
        decoded = gguf.quants.dequantize(quantized, Q8_0)
        parameter.data = torch.from_numpy(np.ascontiguousarray(decoded.T if turned else decoded))
        writer.add_tensor(stored, permute(quantized, permuted) if permuted else quantized, raw_dtype=Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def permute(rows: np.ndarray, heads: int) -> np.ndarray:
    """As `LlamaModel.permute` of llama.cpp's convert_hf_to_gguf.py, which rotates neighbouring values."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def logits_of(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([IDS]), use_cache=False).logits.contiguous()


def main() -> None:
    root = Path(sys.argv[1])
    for architecture, model in {"gpt2": GPT2LMHeadModel(GPT2), "llama": LlamaForCausalLM(LLAMA)}.items():
        folder = root / architecture
        make(model, folder)
        if architecture == "llama":
            mistral = MistralForCausalLM(MistralConfig(**{**LLAMA.to_dict(), "sliding_window": 16}))
            mistral.load_state_dict(model.state_dict())
            (folder / "mistral.json").write_text(json.dumps({"ids": IDS, "logits": logits_of(mistral.eval())[0].tolist()}))
        write_gguf(model, folder / "q8_0.gguf", architecture)
        save_file({"logits": logits_of(model.eval())}, folder / "q8_0.safetensors", metadata={"input_ids": json.dumps([IDS])})


if __name__ == "__main__":
    main()
