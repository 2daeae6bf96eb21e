"""What the scripts of this folder share: loading a model, and text to ids as the model's own files say."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging


def load_model(directory: str, attention: str = "eager") -> PreTrainedModel:
    """The model of a Hugging Face directory in F32; fails where a parameter is missing or left over."""
    logging.disable_progress_bar()
    model, info = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation=attention, output_loading_info=True, local_files_only=True
    )
    faults = {kind: sorted(map(str, names)) for kind, names in info.items() if names}
    if faults:
        raise SystemExit(f"{directory} does not load cleanly: {json.dumps(faults)}")
    return model.eval()


def start_token(directory: str) -> int | None:
    """The id that every document begins with, where tokenizer_config.json asks for one (`add_bos_token`)."""
    path = Path(directory) / "tokenizer_config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    if not config.get("add_bos_token", False):
        return None
    token = config["bos_token"]
    return tokenizer(directory).token_to_id(token if isinstance(token, str) else token["content"])


def tokenizer(directory: str) -> Tokenizer:
    return Tokenizer.from_file(str(Path(directory) / "tokenizer.json"))


def encode(directory: str, text: str) -> list[int]:
    """Ids of `text`, after the start token where the model has one."""
    ids = tokenizer(directory).encode(text, add_special_tokens=False).ids
    first = start_token(directory)
    return ids if first is None else [first, *ids]
