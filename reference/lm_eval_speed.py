#!/usr/bin/env python3
"""How fast lm-evaluation-harness answers a task's requests through transformers: the peer of `bench/eval.mjs`.

    python lm_eval_speed.py MODEL --data BENCHMARKS --task hellaswag --shots 0 --limit 60 [--batch 8] [--threads 2]

Prints a line of JSON: requests, and the seconds that `loglikelihood` took, tokenising included. `--make MODEL --size 160m`
writes a random model instead.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import datasets
import torch
from lm_eval_oracle import random_model, read_rows

SIZES = {"13m": (4, 128, 4, 512), "160m": (12, 768, 12, 3072)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model")
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--task", default="hellaswag")
    arguments.add_argument("--shots", type=int, default=0)
    arguments.add_argument("--limit", type=int, default=60)
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--make", action="store_true")
    arguments.add_argument("--size", choices=SIZES, default="13m")
    options = arguments.parse_args()
    if options.make:
        random_model(Path(options.model), SIZES[options.size])
        return
    torch.set_num_threads(options.threads)
    rows = read_rows(options.data)
    datasets.load_dataset = lambda path, name=None, **_: datasets.DatasetDict(
        {split: datasets.Dataset.from_list(r) for split, r in rows[path, name].items()}
    )
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=options.model, dtype="float32", device="cpu", batch_size=options.batch)
    found = {}
    ask = model.loglikelihood

    def timed(requests: list, **more: object) -> list:
        ask(requests[:4], disable_tqdm=True)  # what is done once
        start = time.perf_counter()
        answers = ask(requests, disable_tqdm=True)
        found.update(requests=len(requests), seconds=time.perf_counter() - start)
        return answers

    model.loglikelihood = timed
    result = lm_eval.simple_evaluate(model=model, tasks=[options.task], num_fewshot=options.shots, limit=options.limit, bootstrap_iters=0)
    print(json.dumps({**found, "acc": result["results"][options.task]["acc,none"]}))


if __name__ == "__main__":
    main()
