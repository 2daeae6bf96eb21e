#!/usr/bin/env python3
"""Does PEFT load an adapter that philab wrote, and give the logits that philab gives?

    python check_adapter.py DIR logits.safetensors [--model test/fixtures/phi-mini] [--tolerance 1e-4]

`logits.safetensors` holds `logits`, [T, V] in F32, and the ids in its metadata as `input_ids`. Every tensor of the
adapter must arrive in PEFT's model, none may be left over, and no logit may differ by more than the tolerance.
Exit code 0: they agree; 1: they do not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from common import load_model
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("adapter", type=Path)
    arguments.add_argument("logits", type=Path)
    arguments.add_argument("--model", default="test/fixtures/phi-mini")
    arguments.add_argument("--tolerance", type=float, default=1e-4)
    options = arguments.parse_args()

    model = PeftModel.from_pretrained(load_model(options.model), options.adapter).eval()
    written = load_file(options.adapter / "adapter_model.safetensors")
    loaded = get_peft_model_state_dict(model, save_embedding_layers=False)
    lost = sorted(name for name in written.keys() | loaded.keys() if not equal(written.get(name), loaded.get(name)))
    if lost:
        print(f"these tensors of the file are not those of PEFT's model: {', '.join(lost)}")
        return 1
    with safe_open(options.logits, "pt") as file:
        ids = json.loads(file.metadata()["input_ids"])
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    base = load_model(options.model)
    with torch.no_grad():
        effect = float((base(torch.tensor([ids]), use_cache=False).logits[0] - logits).abs().max())
    difference = float((logits - load_file(options.logits)["logits"]).abs().max())
    print(f"{len(written)} tensors; largest difference of a logit {difference:.3g} (the adapter changes them by up to {effect:.3g})")
    return 0 if difference <= options.tolerance else 1


def equal(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    return a is not None and b is not None and torch.equal(a, b)


if __name__ == "__main__":
    sys.exit(main())
