#!/usr/bin/env python3
"""Steps of PyTorch's optimisers and factors of transformers' learning-rate schedules.

    python optimizers.py --out test/fixtures/optimizers.json
    python optimizers.py --check test/fixtures/optimizers.json

Made with it: test/fixtures/optimizers.json. Each optimiser moves the same small parameters by the same gradients, five
times; the file holds start, gradients and where the parameters end. Muon's iteration runs in F32 here (PyTorch rounds it
to 16 bits), so that it can be compared closely.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from transformers import optimization

STEPS = 5
SHAPES = {"wide": (3, 8), "tall": (8, 3), "vector": (5,)}

OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.98), eps=1e-7, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd with decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.2),
    "sgd with momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.2),
    "sgd with nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    "muon": lambda p: torch.optim.Muon(p, lr=0.05),
    "muon matched": lambda p: torch.optim.Muon(p, lr=0.05, adjust_lr_fn="match_rms_adamw", nesterov=False),
}


def values(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator)


def run(name: str) -> dict:
    torch.Tensor.bfloat16 = lambda x: x.clone()  # what Muon rounds to 16 bits is a copy
    shapes = {k: s for k, s in SHAPES.items() if len(s) == 2 or not name.startswith("muon")}
    parameters = {k: torch.nn.Parameter(values(*s, seed=i)) for i, (k, s) in enumerate(shapes.items())}
    start = {k: p.detach().flatten().tolist() for k, p in parameters.items()}
    optimizer = OPTIMIZERS[name](list(parameters.values()))
    gradients = []
    for step in range(STEPS):
        for i, p in enumerate(parameters.values()):
            p.grad = values(*p.shape, seed=100 * (step + 1) + i)
        gradients.append({k: p.grad.flatten().tolist() for k, p in parameters.items()})
        optimizer.step()
    end = {k: p.detach().flatten().tolist() for k, p in parameters.items()}
    return {"shapes": shapes, "start": start, "gradients": gradients, "end": end}


def schedules() -> list[dict]:
    def factors(make, **settings) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = make(optimizer, **settings)
        found = []
        for _ in range(22):
            found.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        return found

    o = optimization
    warm = {"num_warmup_steps": 4, "num_training_steps": 20}
    return [
        {"schedule": "constant", "steps": 20, "warmupSteps": 4,
         "factors": factors(o.get_constant_schedule_with_warmup, num_warmup_steps=4)},
        {"schedule": "linear", "steps": 20, "warmupSteps": 4,
         "factors": factors(o.get_linear_schedule_with_warmup, **warm)},
        {"schedule": "linear", "steps": 20,
         "factors": factors(o.get_linear_schedule_with_warmup, num_warmup_steps=0, num_training_steps=20)},
        {"schedule": "cosine", "steps": 20, "warmupSteps": 4,
         "factors": factors(o.get_cosine_schedule_with_warmup, **warm)[:21]},
        {"schedule": "cosine", "steps": 20, "warmupSteps": 4, "minFactor": 0.1,
         "factors": factors(o.get_cosine_with_min_lr_schedule_with_warmup, min_lr_rate=0.1, **warm)[:21]},
        {"schedule": "warmup-stable-decay", "steps": 20, "warmupSteps": 4, "decaySteps": 6,
         "factors": factors(o.get_wsd_schedule, num_decay_steps=6, **warm)},
    ]


def worst(a, b) -> float:
    if isinstance(a, dict):
        return max(worst(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return max((worst(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    if isinstance(a, str):
        return 0.0 if a == b else math.inf
    return abs(a - b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--check", type=Path)
    arguments = parser.parse_args()
    found = {"optimizers": {name: run(name) for name in OPTIMIZERS}, "schedules": schedules()}
    if arguments.out:
        arguments.out.write_text(json.dumps(found) + "\n")
    if arguments.check:
        difference = worst(found, json.loads(arguments.check.read_text()))
        print(f"largest difference {difference:.2g}")
        sys.exit(difference > 1e-5)


if __name__ == "__main__":
    main()
