#!/usr/bin/env python3
"""LoRA adapters made by PEFT for a model, and the logits that PEFT gives with them.

    python peft_adapter.py test/fixtures/phi-mini --ids test/fixtures/phi-mini/inputs.json --out test/fixtures/peft
    python peft_adapter.py test/fixtures/phi-mini --ids test/fixtures/phi-mini/inputs.json --check test/fixtures/peft

Made with it: test/fixtures/peft. A and B are random and not zero, as after training. Each adapter is a folder as PEFT
saves it:

    plain   rank 4, alpha 8, PEFT's own target modules for Phi
    rslora  rsLoRA on every linear layer, the head too; ranks and alphas that differ by module
    dora    DoRA, target modules as a regular expression

Beside them:

    logits.safetensors     `base` and one tensor for each adapter, [T, V] in F32, for the first `--tokens` of the first
                           row of ids, which stand in the metadata as `input_ids`
    gradients.safetensors  of the mean next-token loss (in the metadata) with respect to A and B of `plain`
    targets.json           what configurations mean to PEFT: rank and scale of every module that they change
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from common import load_model
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file

ADAPTERS = {
    "plain": LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "fc1", "fc2"], task_type="CAUSAL_LM"),
    "rslora": LoraConfig(
        r=4,
        lora_alpha=6,
        lora_dropout=0.1,
        use_rslora=True,
        target_modules=["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2", "lm_head"],
        rank_pattern={"fc1": 2, "layers.1.self_attn.dense": 3},
        alpha_pattern={r"^model\.layers\.0\.self_attn\.[kv]_proj": 9, "mlp.fc2": 3},
        task_type="CAUSAL_LM",
    ),
    "dora": LoraConfig(r=2, lora_alpha=4, use_dora=True, target_modules=r".*\.(q_proj|k_proj|fc2)", task_type="CAUSAL_LM"),
}


# Configurations whose meaning is in the names alone.
TARGETS = [
    {"target_modules": ["fc1"]},
    {"target_modules": "all-linear", "r": 16, "lora_alpha": 32},
    {"target_modules": "all-linear", "use_rslora": True},
    {"target_modules": ["self_attn.dense", "model.layers.1.mlp.fc2", "lm_head"], "r": 3},
    {"target_modules": r"model\.layers\.\d+\.(mlp\.fc1|self_attn\.(?P<which>[qk])_proj)"},
    {"target_modules": r".*_proj", "exclude_modules": ["k_proj"]},
    {"target_modules": ["q_proj", "fc2"], "exclude_modules": r".*layers\.0\..*"},
    {"target_modules": ["q_proj", "fc2"], "layers_to_transform": [1]},
    {"target_modules": ["q_proj", "model.layers.0.mlp.fc1"], "layers_to_transform": 1},
    {"target_modules": ["q_proj", "lm_head"], "layers_to_transform": [0], "layers_pattern": "layers"},
    {"target_modules": ["q_proj", "v_proj", "fc1"], "rank_pattern": {"q_proj": 2, "layers.0.mlp.fc1": 5, "proj": 7}},
    {"target_modules": ["q_proj", "v_proj"], "alpha_pattern": {r".*0.*v_proj": 1, "v_proj": 2}, "use_rslora": True},
    {"target_modules": ["fc1", "fc2"], "rank_pattern": {"^model.layers.0.mlp.fc1": 12, "fc[12]": 6}, "lora_alpha": 12},
]


def randomise(model: PeftModel, seed: int) -> None:
    """Numbers of the size that training leaves; DoRA's lengths move by a tenth."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "lora_magnitude_vector" in name:
                parameter.mul_(1 + 0.1 * noise)
            elif "lora_" in name:
                parameter.copy_(0.1 * noise)


def meaning(directory: str, fields: dict) -> dict[str, list[float]]:
    model = get_peft_model(load_model(directory), LoraConfig(**fields))
    return {
        name.removeprefix("base_model.model."): [module.r["default"], module.scaling["default"]]
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }


def gradients(model: PeftModel, ids: list[int]) -> tuple[float, dict[str, torch.Tensor]]:
    rows = torch.tensor([ids])
    loss = model(rows, labels=rows, use_cache=False).loss
    loss.backward()
    found = {name.replace(".default", ""): p.grad.contiguous() for name, p in model.named_parameters() if p.requires_grad}
    return float(loss.detach()), found


@torch.no_grad()
def logits_of(model, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids]), use_cache=False).logits[0].contiguous()  # [T, V]


def make(directory: str, ids: list[int], out: Path) -> None:
    values = {"base": logits_of(load_model(directory), ids)}
    for seed, (name, config) in enumerate(ADAPTERS.items()):
        model = get_peft_model(load_model(directory), config).eval()
        randomise(model, seed)
        values[name] = logits_of(model, ids)
        # Without this PEFT adds the whole head where the head is a target.
        model.save_pretrained(out / name, save_embedding_layers=False)
        (out / name / "README.md").unlink()
        if name == "plain":
            loss, found = gradients(model, ids)
            assert found.keys() == get_peft_model_state_dict(model, save_embedding_layers=False).keys()
            save_file(found, out / "gradients.safetensors", metadata={"loss": repr(loss)})
    save_file(values, out / "logits.safetensors", metadata={"input_ids": json.dumps(ids)})
    meanings = [{"config": fields, "modules": meaning(directory, fields)} for fields in TARGETS]
    (out / "targets.json").write_text("[\n" + ",\n".join(map(json.dumps, meanings)) + "\n]\n")


def differences(directory: str, found: Path) -> dict[str, float]:
    """How far PEFT's logits with each saved adapter are from the saved ones."""
    with safe_open(found / "logits.safetensors", "pt") as file:
        ids = json.loads(file.metadata()["input_ids"])
    expected = load_file(found / "logits.safetensors")
    return {
        name: float((logits_of(PeftModel.from_pretrained(load_model(directory), found / name).eval(), ids) - expected[name]).abs().max())
        for name in ADAPTERS
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory", help="the model, in Hugging Face's layout")
    arguments.add_argument("--ids", required=True, help="JSON file with `input_ids`, a list of rows")
    arguments.add_argument("--tokens", type=int, default=12)
    arguments.add_argument("--out", type=Path, help="folder to write")
    arguments.add_argument("--check", type=Path, help="folder made before, to compare with")
    options = arguments.parse_args()
    if options.out:
        ids = json.loads(Path(options.ids).read_text())["input_ids"][0][: options.tokens]
        make(options.directory, ids, options.out)
    found = differences(options.directory, options.check or options.out)
    print(json.dumps(found))
    return 0 if max(found.values()) < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
