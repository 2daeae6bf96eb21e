#!/usr/bin/env python3
"""Are two Hugging Face directories the same model to transformers? Every weight is compared, bit for bit.

    python check_transformers.py DIR_A DIR_B
    python check_transformers.py DIR_A DIR_B --as float16    A rounded to that type is B (B is a converted copy of A)

Both directories are loaded the way anybody loads them (`AutoModelForCausalLM`); a parameter that is missing, left over
or of another shape is a failure, and so is a difference in the part of the configuration that decides the numbers.
Exit code 0: the same; 1: not.
"""

from __future__ import annotations

import argparse
import sys

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

# What may differ without changing a number: where the files come from, and how they are stored.
NOT_NUMBERS = {"_name_or_path", "transformers_version", "dtype", "architectures"}


def load(directory: str) -> tuple[PreTrainedModel, list[str]]:
    """The model in the type that it is stored in, and what transformers complained about."""
    model, info = AutoModelForCausalLM.from_pretrained(
        directory, dtype="auto", output_loading_info=True, local_files_only=True
    )
    return model, [f"{directory}: {kind}: {sorted(map(str, names))}" for kind, names in info.items() if names]


def differences(a: PreTrainedModel, b: PreTrainedModel, rounded_to: torch.dtype | None) -> list[str]:
    found: list[str] = []
    config_a, config_b = a.config.to_dict(), b.config.to_dict()
    for key in sorted((config_a.keys() | config_b.keys()) - NOT_NUMBERS):
        if config_a.get(key) != config_b.get(key):
            found.append(f"config.{key}: {config_a.get(key)!r} and {config_b.get(key)!r}")

    state_a, state_b = a.state_dict(), b.state_dict()
    for name in sorted(state_a.keys() ^ state_b.keys()):
        found.append(f"{name}: only in the {'first' if name in state_a else 'second'}")
    for name in sorted(state_a.keys() & state_b.keys()):
        left, right = state_a[name], state_b[name]
        if rounded_to is not None:
            left = left.to(rounded_to)
        if left.shape != right.shape or left.dtype != right.dtype:
            found.append(f"{name}: {left.dtype} {list(left.shape)} and {right.dtype} {list(right.shape)}")
        elif not torch.equal(left, right):
            largest = float((left.double() - right.double()).abs().max())
            found.append(f"{name}: {int((left != right).sum())} values differ, by at most {largest:.3e}")
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("a", metavar="DIR_A")
    arguments.add_argument("b", metavar="DIR_B")
    arguments.add_argument("--as", dest="dtype", choices=["float16", "bfloat16", "float32"])
    options = arguments.parse_args()

    logging.disable_progress_bar()
    (a, faults_a), (b, faults_b) = load(options.a), load(options.b)
    rounded_to = getattr(torch, options.dtype) if options.dtype else None
    faults = [*faults_a, *faults_b, *differences(a, b, rounded_to)]
    for fault in faults:
        print(fault)
    count = sum(parameter.numel() for parameter in b.parameters())
    if not faults:
        print(f"equal: {len(b.state_dict())} tensors, {count:,} parameters, {b.dtype}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
