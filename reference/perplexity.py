#!/usr/bin/env python3
"""Perplexity of a text under a Hugging Face directory, in F32, with windows that do not overlap.

    python perplexity.py DIR --text FILE [--window 512] [--out FILE.json]

The rule, so that another program can do the same: the whole text becomes ids at once, without a start token. They are
cut into consecutive pieces that fill a window; where the model has a start token, it takes the first place of every
window and a piece is one shorter. Each window is read on its own. Every id is scored but the first of its window
(with a start token that means every id of the text). Perplexity is exp(- mean log-probability) over all scored ids.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import torch
from common import load_model, start_token, tokenizer


def windows(ids: list[int], length: int, start: int | None) -> list[list[int]]:
    first = [] if start is None else [start]
    step = length - len(first)
    return [[*first, *ids[i : i + step]] for i in range(0, len(ids), step)]


@torch.no_grad()
def window_logprobs(model, ids: list[int]) -> list[float]:
    """Log-probability of ids[1:], each given those before it."""
    logits = model(torch.tensor([ids]), use_cache=False).logits[0, :-1]
    return logits.double().log_softmax(-1)[torch.arange(len(ids) - 1), ids[1:]].tolist()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory")
    arguments.add_argument("--text", required=True, metavar="FILE", help="UTF-8 text")
    arguments.add_argument("--window", type=int, default=512)
    arguments.add_argument("--out", metavar="FILE", help="also write the windows and all log-probabilities as JSON")
    options = arguments.parse_args()

    text = Path(options.text).read_text(encoding="utf-8")
    ids = tokenizer(options.directory).encode(text, add_special_tokens=False).ids
    model = load_model(options.directory)
    cut = windows(ids, options.window, start_token(options.directory))
    logprobs = [window_logprobs(model, window) for window in cut]
    scored = [value for row in logprobs for value in row]
    nll = -sum(scored) / len(scored)
    summary = {
        "bytes": len(text.encode()),
        "tokens": len(ids),
        "window": options.window,
        "scored": len(scored),
        "nll": nll,
        "perplexity": math.exp(nll),
    }
    print(json.dumps(summary))
    if options.out:
        Path(options.out).write_text(json.dumps({**summary, "windows": cut, "logprobs": logprobs}))


if __name__ == "__main__":
    main()
