#!/usr/bin/env python3
"""Preference losses as TRL computes them: DPO (sigmoid), hinge and IPO, with their metrics and gradients; and cDPO.

    python preferences.py models/phi-micro --out test/fixtures/preferences.json
    python preferences.py models/phi-micro --check test/fixtures/preferences.json

The policy is the reference model with its head's bias moved by 0.05·sin(i) and every `mlp.fc2.weight` stretched by 1.05, so
that the log-ratios are not 0. Loss and metrics come from TRL's own `DPOTrainer._compute_loss`; cDPO, which TRL has no more,
from its formula (Mitchell 2023, https://ericmitchell.ai/cdpo.pdf, eq. 3) on TRL's log-probabilities. Gradients are given by their norms.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

PAIRS = [
    {"prompt": "def add_numbers(a, b):", "chosen": "\n    return a + b", "rejected": "\n    return a - b + 0"},
    {"prompt": "When Mary and John went to the store, John gave a book to", "chosen": " Mary.", "rejected": " John."},
    {"prompt": "Instruct: What is 3 + 4?\nOutput:", "chosen": " 7", "rejected": " 12 or so"},
]
LOSSES = {
    "sigmoid": {"loss_type": "sigmoid", "beta": 0.1},
    "hinge": {"loss_type": "hinge", "beta": 0.3},
    "ipo": {"loss_type": "ipo", "beta": 0.2},
    "cdpo": {"loss_type": "sigmoid", "beta": 0.5, "label_smoothing": 0.1},
}
GRADIENTS = [
    "model.embed_tokens.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.1.mlp.fc1.weight",
    "model.layers.1.mlp.fc2.bias",
    "model.final_layernorm.weight",
    "lm_head.weight",
]


def load(directory: str) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def moved(model: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        bias = model.lm_head.bias
        bias.add_(0.05 * torch.sin(torch.arange(bias.numel(), dtype=torch.float64)).float())
        for name, parameter in model.named_parameters():
            if name.endswith("mlp.fc2.weight"):
                parameter.mul_(1.05)
    return model


def compute(directory: str) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    found: dict = {"losses": {}}
    for name, options in LOSSES.items():
        with tempfile.TemporaryDirectory() as folder:
            smoothing = options.get("label_smoothing", 0.0)
            trainer = DPOTrainer(
                model=moved(load(directory)),
                ref_model=load(directory),
                args=DPOConfig(
                    output_dir=folder,
                    use_cpu=True,
                    bf16=False,
                    report_to=[],
                    per_device_train_batch_size=len(PAIRS),
                    gradient_checkpointing=False,
                    loss_type=[options["loss_type"]],
                    beta=options["beta"],
                ),
                train_dataset=Dataset.from_list(PAIRS),
                processing_class=tokenizer,
            )
            inputs = trainer.data_collator([trainer.train_dataset[i] for i in range(len(PAIRS))])
            model = trainer.model.train()
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
            loss = trainer._compute_loss(model, inputs, False)
            metrics = {k: v[-1] for k, v in trainer._metrics["train"].items() if k.split("/")[0] in ("rewards", "logps", "logits")}
            if smoothing:
                loss = cdpo(model, trainer.ref_model, inputs, options["beta"], smoothing)
            loss.backward()
            gradients = dict(model.named_parameters())
            found["losses"][name] = {
                "options": options,
                "loss": float(loss.detach()),
                "metrics": metrics,
                "gradients": {key: float(gradients[key].grad.norm()) for key in GRADIENTS},
            }
            found["input_ids"] = inputs["input_ids"].tolist()
            found["attention_mask"] = inputs["attention_mask"].tolist()
            found["completion_mask"] = inputs["completion_mask"].tolist()
    return found


def cdpo(model, reference, inputs: dict, beta: float, smoothing: float) -> torch.Tensor:
    def log_probs(of) -> torch.Tensor:
        logits = of(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False).logits
        chosen = logits[:, :-1].log_softmax(-1).gather(-1, inputs["input_ids"][:, 1:, None])[..., 0]
        return (chosen * inputs["completion_mask"][:, 1:]).sum(1)

    with torch.no_grad():
        before = log_probs(reference)
    better, worse = (log_probs(model) - before).chunk(2)
    margin = beta * (better - worse)
    log_sigmoid = torch.nn.functional.logsigmoid
    return (-(1 - smoothing) * log_sigmoid(margin) - smoothing * log_sigmoid(-margin)).mean()


def largest_difference(a, b) -> float:
    if isinstance(a, dict):
        return max((largest_difference(a[k], b[k]) for k in a), default=0.0)
    if isinstance(a, list):
        return max((largest_difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    return abs(a - b) if isinstance(a, (int, float)) else float(a != b)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory", help="the model, in Hugging Face's layout, with its tokenizer")
    arguments.add_argument("--out", type=Path, help="file to write")
    arguments.add_argument("--check", type=Path, help="file made before, to compare with")
    options = arguments.parse_args()
    found = compute(options.directory)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    if options.check:
        difference = largest_difference(json.loads(options.check.read_text()), found)
        print(f"largest difference {difference:.3g}")
        return 0 if difference < 1e-4 else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
