#!/usr/bin/env python3
"""Log-probabilities, likeliest next tokens and a greedy continuation of prompts, in F32.

    python logprobs.py DIR --prompts prompts.json --out phi-micro.json
    python logprobs.py models/phi-micro --check test/fixtures/phi-micro.json

Made with it: test/fixtures/phi-micro.json. `prompts.json` is a list of strings. For each prompt: `ids` (with the start
token where the model has one), `logprobs` of ids[1:], `top5` after the prompt, and `greedy_ids` with their text (the last is the end
token where the model ends).
`--check` takes the prompts from a file made before and compares: ids equal, log-probabilities within 1e-5.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from common import encode, load_model, tokenizer


@torch.no_grad()
def describe(model, directory: str, prompt: str, greedy_tokens: int) -> dict:
    ids = encode(directory, prompt)
    logprobs = model(torch.tensor([ids]), use_cache=False).logits[0].double().log_softmax(-1)  # [T, V]
    top = logprobs[-1].topk(5)
    sequence = list(ids)
    while len(sequence) < len(ids) + greedy_tokens:  # without a cache: the plainest program there is
        sequence.append(int(model(torch.tensor([sequence]), use_cache=False).logits[0, -1].argmax()))
        if sequence[-1] == model.config.eos_token_id:
            break
    greedy = sequence[len(ids) :]
    return {
        "prompt": prompt,
        "ids": ids,
        "logprobs": [round(float(logprobs[t, ids[t + 1]]), 6) for t in range(len(ids) - 1)],
        "top5": [[int(i), round(float(v), 6)] for v, i in zip(top.values, top.indices)],
        "greedy_ids": greedy,
        "greedy_text": tokenizer(directory).decode(greedy, skip_special_tokens=False),
    }


def same(expected: dict, found: dict) -> bool:
    numbers = [*zip(expected["logprobs"], found["logprobs"]), *((a[1], b[1]) for a, b in zip(expected["top5"], found["top5"]))]
    return (
        all(expected[key] == found[key] for key in ("prompt", "ids", "greedy_ids"))
        and [i for i, _ in expected["top5"]] == [i for i, _ in found["top5"]]
        and len(expected["logprobs"]) == len(found["logprobs"])
        and all(abs(a - b) < 1e-5 for a, b in numbers)
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory")
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument("--prompts", metavar="FILE", help="JSON list of strings")
    source.add_argument("--check", metavar="FILE", help="a file made before, to compare with")
    arguments.add_argument("--greedy", type=int, default=32, metavar="N", help="greedy tokens per prompt (32)")
    arguments.add_argument("--out", metavar="FILE")
    options = arguments.parse_args()

    model = load_model(options.directory)
    expected = json.loads(Path(options.check or options.prompts).read_text())
    prompts = [case["prompt"] for case in expected] if options.check else expected
    found = [describe(model, options.directory, prompt, options.greedy) for prompt in prompts]
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if options.check:
        equal = sum(same(a, b) for a, b in zip(expected, found))
        print(f"{equal} of {len(expected)} prompts agree")
        return 0 if equal == len(expected) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
