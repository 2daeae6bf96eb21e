#!/usr/bin/env python3
"""lm-evaluation-harness' `local-completions` against philab's server: the numbers of test/fixtures/lm-eval.json, which
transformers gave and which `philab eval` gives, must come out again.

    python lm_eval_oracle.py --data BENCHMARKS --only --save RANDOM
    philab serve RANDOM --mode reference
    python lm_eval_endpoint.py --data BENCHMARKS --model RANDOM --name NAME [--url http://127.0.0.1:8000/v1] [--tasks arc_easy piqa]

NAME is the model's name in /v1/models. Prints the metrics of each task and the largest difference of a log-likelihood; exit
code 1 where a metric differs in its fourth decimal or a log-likelihood by more than 1e-3.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import datasets
from lm_eval_oracle import FIXTURE, LIMIT, entry, read_rows

TASKS = ("arc_easy", "piqa", "winogrande", "openbookqa", "hellaswag", "truthfulqa_mc1", "mmlu_philosophy")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, type=Path)
    arguments.add_argument("--model", required=True, type=Path, help="its directory, for the tokenizer")
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--url", default="http://127.0.0.1:8000/v1")
    arguments.add_argument("--tasks", nargs="*", default=TASKS)
    options = arguments.parse_args()
    rows = read_rows(options.data)

    def load(path: str, name: str | None = None, **_: object) -> datasets.DatasetDict:
        return datasets.DatasetDict({split: datasets.Dataset.from_list(r) for split, r in rows[path, name].items()})

    datasets.load_dataset = load
    import lm_eval

    known = {(run["task"], run["shots"]): run for run in json.loads(FIXTURE.read_text())["runs"] if run["model"] == "random"}
    failed = False
    for task in options.tasks:
        shots = max(shots for name, shots in known if name == task) if task.startswith(("mmlu", "gsm8k")) else 0
        result = lm_eval.simple_evaluate(
            model="local-completions",
            model_args={
                "model": options.name, "base_url": f"{options.url}/completions", "tokenizer": str(options.model),
                "tokenizer_backend": "huggingface", "num_concurrent": 8, "max_length": 2048,
            },
            tasks=[task], num_fewshot=shots, limit=LIMIT, bootstrap_iters=0, log_samples=True,
        )  # fmt: skip
        found, wanted = entry(result, task, "random", shots, None), known[task, shots]
        metrics = {name: value for name, value in found["metrics"].items() if "stderr" not in name}
        apart = max(
            (abs(a - b) for one, other in zip(found["logprobs"], wanted["logprobs"]) for a, b in zip(one, other)), default=0.0
        )
        same = all(round(value - wanted["metrics"][name], 4) == 0 for name, value in metrics.items())
        failed |= not same or apart > 1e-3
        print(task, shots, metrics, "as expected" if same else f"expected {wanted['metrics']}", f"largest difference {apart:.1e}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
