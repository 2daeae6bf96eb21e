"""What TransformerLens reads in a Phi model, its patching sweeps, head detectors and composition scores.

    python reference/transformer_lens_phi.py test/fixtures/phi-mini --inputs test/fixtures/phi-mini/inputs.json --out test/fixtures/transformer-lens.safetensors

The weights are used as they are: no folding, no centring.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"

import numpy as np
import torch
from safetensors.numpy import save_file
from transformer_lens import patching
from transformer_lens.head_detector import detect_head
from transformer_lens.model_bridge import TransformerBridge

from common import load_model


def lens(directory: str) -> TransformerBridge:
    hf = load_model(directory)
    hf.config._name_or_path = directory
    bridge = TransformerBridge.boot_transformers(directory, hf_model=hf, dtype=torch.float32, tokenizer=None)
    bridge.enable_compatibility_mode(no_processing=True)
    return bridge


def prompts(path: str, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first tokens of the first prompt, and the same with another token at one position."""
    rows = json.loads(Path(path).read_text())["input_ids"]
    clean = torch.tensor([rows[0][:tokens]])
    corrupted = clean.clone()
    corrupted[0, 3] = rows[1][3]
    return clean, corrupted


def fixture(bridge: TransformerBridge, clean: torch.Tensor, corrupted: torch.Tensor) -> dict[str, np.ndarray]:
    cfg = bridge.cfg
    logits, cache = bridge.run_with_cache(clean)
    corrupted_logits = bridge(corrupted)
    right, wrong = int(logits[0, -1].argmax()), int(corrupted_logits[0, -1].argmin())

    def metric(out: torch.Tensor) -> torch.Tensor:
        return out[0, -1, right] - out[0, -1, wrong]

    found = {
        "clean": clean[0].float(),
        "corrupted": corrupted[0].float(),
        "answers": torch.tensor([right, wrong]).float(),
        "metrics": torch.stack([metric(logits), metric(corrupted_logits)]),
        "logits": logits[0],
    }
    for layer in range(cfg.n_layers):
        for name in ("attn.hook_pattern", "attn.hook_z", "hook_resid_pre", "hook_resid_post"):
            found[f"blocks.{layer}.{name}"] = cache[f"blocks.{layer}.{name}"][0]
    streams = [cache[f"blocks.{l}.hook_resid_pre"] for l in range(cfg.n_layers)]
    streams.append(cache[f"blocks.{cfg.n_layers - 1}.hook_resid_post"])
    found["logit_lens"] = torch.stack([bridge.unembed(bridge.ln_final(x))[0, -1] for x in streams])

    sweeps = {
        "resid_pre": patching.get_act_patch_resid_pre,
        "attn_out": patching.get_act_patch_attn_out,
        "mlp_out": patching.get_act_patch_mlp_out,
        "head_z": patching.get_act_patch_attn_head_out_all_pos,
        "head_q": patching.get_act_patch_attn_head_q_all_pos,
        "head_k": patching.get_act_patch_attn_head_k_all_pos,
        "head_v": patching.get_act_patch_attn_head_v_all_pos,
        "head_pattern": patching.get_act_patch_attn_head_pattern_all_pos,
        "head_z_by_pos": patching.get_act_patch_attn_head_out_by_pos,
    }
    for name, sweep in sweeps.items():
        found[f"sweep.{name}"] = sweep(bridge, corrupted, cache, metric)

    repeated = torch.cat([clean[:, :8], clean[:, :8]], dim=1)
    found["repeated"] = repeated[0].float()
    _, repeated_cache = bridge.run_with_cache(repeated, remove_batch_dim=True)
    bridge.to_tokens = lambda seq, *_, **__: seq  # ids instead of a text
    for head in ("previous_token_head", "duplicate_token_head", "induction_head"):
        for measure in ("mul", "abs"):
            scores = detect_head(bridge, repeated, head, cache=repeated_cache, error_measure=measure)
            found[f"detect.{head}.{measure}"] = scores
    for mode in ("Q", "K", "V"):
        found[f"composition.{mode}"] = scores_of(bridge.all_composition_scores(mode))
    return {name: np.ascontiguousarray(value.detach().numpy()) for name, value in found.items()}


def scores_of(result) -> torch.Tensor:
    return result if isinstance(result, torch.Tensor) else result.scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--inputs", help="a JSON file with input_ids")
    parser.add_argument("--out", help="the .safetensors file to write")
    parser.add_argument("--tokens", type=int, default=12)
    arguments = parser.parse_args()
    bridge = lens(arguments.model)
    with torch.no_grad():
        found = fixture(bridge, *prompts(arguments.inputs, arguments.tokens))
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(found, out, metadata={"made by": "reference/transformer_lens_phi.py, transformer_lens 4.3.0"})
    print({name: value.shape for name, value in found.items()})


if __name__ == "__main__":
    main()
