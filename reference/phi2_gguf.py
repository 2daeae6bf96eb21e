"""The keys and tensor names of a `phi2` GGUF file, shared by `to_gguf.py` and `random_gguf.py`.

What llama.cpp insists on when it loads such a file (found by leaving each out): see reference/README.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import gguf
from common import start_token, tokenizer

# Hugging Face's module -> llama.cpp's, inside model.layers.N and blk.N
BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.dense": "attn_output",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
OUTER_NAMES = {"model.embed_tokens": "token_embd", "model.final_layernorm": "output_norm", "lm_head": "output"}


def gguf_name(name: str) -> str:
    """`model.layers.3.mlp.fc1.bias` -> `blk.3.ffn_up.bias`"""
    module, _, suffix = name.rpartition(".")
    if module in OUTER_NAMES:
        return f"{OUTER_NAMES[module]}.{suffix}"
    _, _, layer, inner = module.split(".", 3)
    return f"blk.{layer}.{BLOCK_NAMES[inner]}.{suffix}"


def writer_for(path: str, config: dict, file_type: gguf.LlamaFileType, name: str) -> gguf.GGUFWriter:
    """A writer with every `general.*` and `phi2.*` key. `config` is Hugging Face's config.json."""
    rope = config.get("rope_parameters") or config
    heads = config["num_attention_heads"]
    writer = gguf.GGUFWriter(path, "phi2")
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_rope_dimension_count(int(rope["partial_rotary_factor"] * config["hidden_size"]) // heads)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    return writer


def add_tokenizer(writer: gguf.GGUFWriter, directory: str, vocabulary: int, end_token: int) -> None:
    """The tokenizer's arrays, filled up to the rows of the embedding: llama.cpp takes their length for the vocabulary."""
    entries = tokenizer(directory).get_vocab(with_added_tokens=True)
    added = {
        entry["content"]: entry["special"]
        for entry in json.loads((Path(directory) / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    }
    tokens = [f"[PAD{i}]" for i in range(vocabulary)]
    types = [gguf.TokenType.UNUSED] * vocabulary
    for text, i in entries.items():
        tokens[i] = text
        types[i] = gguf.TokenType.NORMAL
        if text in added:
            types[i] = gguf.TokenType.CONTROL if added[text] else gguf.TokenType.USER_DEFINED
    if isinstance((start := start_token(directory)), int) and start != end_token:
        raise SystemExit(f"start token {start} and end token {end_token} differ: not a tokenizer of the Phi family")

    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges(directory))
    writer.add_bos_token_id(end_token)
    writer.add_eos_token_id(end_token)
    writer.add_unk_token_id(end_token)
    writer.add_add_bos_token(start is not None)


def merges(directory: str) -> list[str]:
    model = json.loads((Path(directory) / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]


def add_byte_tokenizer(writer: gguf.GGUFWriter, vocabulary: int) -> None:
    """A vocabulary without a tokenizer: GPT-2's 256 bytes, padding, and the end token last. llama.cpp wants merges: one."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    tokens = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    tokens += [f"[PAD{i}]" for i in range(256, vocabulary - 1)] + ["<|endoftext|>"]
    types = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.UNUSED] * (vocabulary - 257) + [gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([f"{tokens[0]} {tokens[1]}"])
    writer.add_bos_token_id(vocabulary - 1)
    writer.add_eos_token_id(vocabulary - 1)
    writer.add_unk_token_id(vocabulary - 1)
    writer.add_add_bos_token(False)
