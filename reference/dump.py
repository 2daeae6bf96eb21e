#!/usr/bin/env python3
"""Every inner value of a forward pass of Phi, GPT-2, Llama or Mistral in transformers, under TransformerLens's names, as safetensors.

Made with it: test/fixtures/phi-mini/expected.safetensors. With real weights it gives what philab has to agree with.

    python dump.py DIR --ids 464,2068,7586 --out expected.safetensors
    python dump.py DIR --text "def f(x):" --out expected.safetensors --hooks 'blocks\\.(0|31)\\.'
    python dump.py test/fixtures/phi-mini --ids test/fixtures/phi-mini/inputs.json --gradients \\
        --check test/fixtures/phi-mini/expected.safetensors

Values are F32, batch first (B batch, T query positions, S key positions, N heads, H head size, D width, F MLP width;
Llama's keys and values may have fewer heads):

    hook_embed                                     [B, T, D]
    blocks.{l}.hook_resid_pre, hook_resid_post     [B, T, D]
    blocks.{l}.ln1.hook_scale                      [B, T, 1]     sqrt(variance + eps)
    blocks.{l}.ln1.hook_normalized                 [B, T, D]     before weight and bias
    blocks.{l}.hook_ln1_out                        [B, T, D]     after weight and bias (philab's own name)
    blocks.{l}.attn.hook_q, hook_k, hook_v         [B, T, N, H]  with bias, before RoPE
    blocks.{l}.attn.hook_rot_q, hook_rot_k         [B, T, N, H]  after RoPE on the rotary dimensions
    blocks.{l}.attn.hook_attn_scores               [B, N, T, S]  scaled, -inf where masked
    blocks.{l}.attn.hook_pattern                   [B, N, T, S]  after softmax
    blocks.{l}.attn.hook_z                         [B, T, N, H]
    blocks.{l}.attn.hook_result                    [B, T, N, D]  z times W_O per head, without bias
    blocks.{l}.hook_attn_out, hook_mlp_out         [B, T, D]     what is added to the stream, with bias
    blocks.{l}.mlp.hook_pre, hook_post             [B, T, F]
    blocks.{l}.hook_resid_mid, hook_ln2_out        [B, T, D]     of GPT-2 and Llama, and ln2.hook_scale, ln2.hook_normalized
    blocks.{l}.mlp.hook_pre_linear                 [B, T, F]     of Llama
    hook_pos_embed                                 [B, T, D]     of GPT-2
    ln_final.hook_scale, hook_normalized           [B, T, 1], [B, T, D]
    logits                                         [B, T, V]
    grad.{parameter}                               of the mean next-token loss, with --gradients
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import torch
from common import encode, load_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

Values = dict[str, torch.Tensor]

TOLERANCE = 2.5e-6
"""Of a tensor's greatest value. A run in F32 lies up to 1.1e-6 from one in F64 (`--double`), on phi-mini with three kinds of
kernels; two runs whose kernels add in another order, as on another processor, lie up to the sum of both apart."""


def load(directory: str) -> PreTrainedModel:
    """The model in F32 with an attention that shows its insides: what eager attention does, kept."""
    AttentionInterface.register("shown", shown_attention)
    AttentionMaskInterface.register("shown", eager_mask)
    return load_model(directory, "shown")


def shown_attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
    """query: [B, N, T, H], rotated; key, value: [B, G, T, H]. Leaves what it computed in `module.shown`."""
    rotated = {"hook_rot_q": query.transpose(1, 2), "hook_rot_k": key.transpose(1, 2)}
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)  # [B, N, T, S]
    length = query.shape[2]
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores = scores.masked_fill(future, float("-inf"))
    pattern = scores.softmax(-1)
    z = (pattern @ value).transpose(1, 2).contiguous()  # [B, T, N, H]
    module.shown = {**rotated, "hook_attn_scores": scores, "hook_pattern": pattern, "hook_z": z}
    return z, pattern


def norm_values(prefix: str, norm: nn.Module, x: torch.Tensor) -> Values:
    """LayerNorm's, and RMSNorm's, which does not centre."""
    centred = x - x.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else x
    eps = norm.eps if isinstance(norm, nn.LayerNorm) else norm.variance_epsilon
    scale = (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return {f"{prefix}.hook_scale": scale, f"{prefix}.hook_normalized": centred / scale}


def dump(model: PreTrainedModel, ids: torch.Tensor, wanted: re.Pattern[str], gradients: bool) -> Values:
    """`ids`: [B, T]. The values whose names match, and the gradients of the loss where asked."""
    inputs: dict[str, torch.Tensor] = {}
    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str):
        def hook(_module, arguments, keywords, output):
            inputs[name] = (arguments[0] if arguments else keywords["hidden_states"]).detach()
            outputs[name] = (output[0] if isinstance(output, tuple) else output).detach()

        return hook

    called = [(name, module) for name, module in model.named_modules() if "." in name]
    hooks = [module.register_forward_hook(keep(name), with_kwargs=True) for name, module in called]
    with torch.set_grad_enabled(gradients):
        result = model(ids, labels=ids if gradients else None, use_cache=False)
    for hook in hooks:
        hook.remove()

    found: Values = {"logits": result.logits.detach()}
    if model.config.model_type == "gpt2":
        found |= {"hook_embed": outputs["transformer.wte"]}
        found |= {"hook_pos_embed": outputs["transformer.wpe"].expand_as(outputs["transformer.wte"])}
        blocks, path, norm, block_of = model.transformer.h, "transformer.h", "transformer.ln_f", gpt2_values
    else:
        found |= {"hook_embed": outputs["model.embed_tokens"]}
        is_phi = model.config.model_type == "phi"
        norm, block_of = ("model.final_layernorm", block_values) if is_phi else ("model.norm", llama_values)
        blocks, path = model.model.layers, "model.layers"
    found |= norm_values("ln_final", model.get_submodule(norm), inputs[norm])
    for layer, block in enumerate(blocks):
        found |= block_of(f"blocks.{layer}", f"{path}.{layer}", block, inputs, outputs, wanted)
    found = {name: value for name, value in found.items() if wanted.search(name)}
    if gradients:
        result.loss.backward()
        print(f"loss {result.loss.item()!r}", file=sys.stderr)
        found |= {f"grad.{name}": parameter.grad for name, parameter in model.named_parameters()}
    # A stream that leaves one block enters the next: safetensors wants memory of its own for each.
    return {name: found[name].detach().float().clone(memory_format=torch.contiguous_format) for name in sorted(found)}


def block_values(prefix: str, path: str, block, inputs, outputs, wanted: re.Pattern[str]) -> Values:
    attention = block.self_attn
    per_head = (*inputs[path].shape[:2], -1, attention.head_dim)
    values: Values = {
        f"{prefix}.hook_resid_pre": inputs[path],
        f"{prefix}.hook_ln1_out": outputs[f"{path}.input_layernorm"],
        f"{prefix}.hook_attn_out": outputs[f"{path}.self_attn"],
        f"{prefix}.mlp.hook_pre": outputs[f"{path}.mlp.fc1"],
        f"{prefix}.mlp.hook_post": inputs[f"{path}.mlp.fc2"],
        f"{prefix}.hook_mlp_out": outputs[f"{path}.mlp"],
        f"{prefix}.hook_resid_post": outputs[path],
    }
    values |= norm_values(f"{prefix}.ln1", block.input_layernorm, inputs[path])
    for letter in "qkv":
        values[f"{prefix}.attn.hook_{letter}"] = outputs[f"{path}.self_attn.{letter}_proj"].view(per_head)
    values |= {f"{prefix}.attn.{name}": value.detach() for name, value in attention.shown.items()}
    return values | result_values(prefix, attention.shown["hook_z"].detach(), attention.dense.weight, wanted)


def result_values(prefix: str, z: torch.Tensor, output: torch.Tensor, wanted: re.Pattern[str]) -> Values:
    """`output`: W_O, [D, N·H]. [B, T, N, D]: by far the largest, made only where it is wanted."""
    if not wanted.search(f"{prefix}.attn.hook_result"):
        return {}
    heads = output.detach().reshape(-1, z.shape[2], z.shape[3])  # [D, N, H]
    return {f"{prefix}.attn.hook_result": torch.einsum("btnh,dnh->btnd", z, heads)}


def gpt2_values(prefix: str, path: str, block, inputs, outputs, wanted: re.Pattern[str]) -> Values:
    per_head = (*inputs[path].shape[:2], -1, block.attn.head_dim)
    values: Values = {
        f"{prefix}.hook_resid_pre": inputs[path],
        f"{prefix}.hook_ln1_out": outputs[f"{path}.ln_1"],
        f"{prefix}.hook_attn_out": outputs[f"{path}.attn"],
        f"{prefix}.hook_resid_mid": inputs[f"{path}.ln_2"],
        f"{prefix}.hook_ln2_out": outputs[f"{path}.ln_2"],
        f"{prefix}.mlp.hook_pre": outputs[f"{path}.mlp.c_fc"],
        f"{prefix}.mlp.hook_post": inputs[f"{path}.mlp.c_proj"],
        f"{prefix}.hook_mlp_out": outputs[f"{path}.mlp"],
        f"{prefix}.hook_resid_post": outputs[path],
    }
    values |= norm_values(f"{prefix}.ln1", block.ln_1, inputs[path])
    values |= norm_values(f"{prefix}.ln2", block.ln_2, inputs[f"{path}.ln_2"])
    for letter, part in zip("qkv", outputs[f"{path}.attn.c_attn"].chunk(3, dim=-1), strict=True):
        values[f"{prefix}.attn.hook_{letter}"] = part.reshape(per_head)
    shown = {name: value.detach() for name, value in block.attn.shown.items() if "rot" not in name}
    values |= {f"{prefix}.attn.{name}": value for name, value in shown.items()}
    return values | result_values(prefix, shown["hook_z"], block.attn.c_proj.weight.T, wanted)


def llama_values(prefix: str, path: str, block, inputs, outputs, wanted: re.Pattern[str]) -> Values:
    attention = block.self_attn
    per_head = (*inputs[path].shape[:2], -1, attention.head_dim)
    between = f"{path}.post_attention_layernorm"
    values: Values = {
        f"{prefix}.hook_resid_pre": inputs[path],
        f"{prefix}.hook_ln1_out": outputs[f"{path}.input_layernorm"],
        f"{prefix}.hook_attn_out": outputs[f"{path}.self_attn"],
        f"{prefix}.hook_resid_mid": inputs[between],
        f"{prefix}.hook_ln2_out": outputs[between],
        f"{prefix}.mlp.hook_pre": outputs[f"{path}.mlp.gate_proj"],
        f"{prefix}.mlp.hook_pre_linear": outputs[f"{path}.mlp.up_proj"],
        f"{prefix}.mlp.hook_post": inputs[f"{path}.mlp.down_proj"],
        f"{prefix}.hook_mlp_out": outputs[f"{path}.mlp"],
        f"{prefix}.hook_resid_post": outputs[path],
    }
    values |= norm_values(f"{prefix}.ln1", block.input_layernorm, inputs[path])
    values |= norm_values(f"{prefix}.ln2", block.post_attention_layernorm, inputs[between])
    for letter in "qkv":
        values[f"{prefix}.attn.hook_{letter}"] = outputs[f"{path}.self_attn.{letter}_proj"].view(per_head)
    shown = {name: value.detach() for name, value in attention.shown.items()}
    values |= {f"{prefix}.attn.{name}": value for name, value in shown.items()}
    return values | result_values(prefix, shown["hook_z"], attention.o_proj.weight, wanted)


def compare(expected: Values, found: Values, tolerance: float) -> bool:
    """Prints what differs: names that only one side has, shapes, and differences as shares of the tensor's greatest value."""
    same = True
    for name in sorted(expected.keys() ^ found.keys()):
        print(f"only in {'the file' if name in expected else 'this run'}: {name}")
        same = False
    worst = 0.0
    for name in sorted(expected.keys() & found.keys()):
        a, b = expected[name], found[name]
        if a.shape != b.shape:
            print(f"{name}: {list(a.shape)} in the file, {list(b.shape)} in this run")
            same = False
            continue
        difference = float(torch.where(a == b, 0.0, (a - b).abs()).max())  # a == b also holds for two -inf
        magnitude = float(torch.where(a.isfinite(), a.abs(), 0.0).max())
        share = 0.0 if difference == 0 else difference / magnitude if magnitude else float("inf")
        worst = max(worst, share)
        if not share <= tolerance:
            print(f"{name}: differs by {difference:.3e}, {share:.1e} of its greatest value")
            same = False
    print(f"{len(expected.keys() & found.keys())} tensors compared; largest difference {worst:.1e} of a tensor's greatest value")
    return same


def read_ids(text: str) -> list[list[int]]:
    """A row of ids (`1,2,3`), several (`1,2,3/4,5,6`), or a JSON file that holds rows or `input_ids`."""
    if Path(text).is_file():
        value = json.loads(Path(text).read_text())
        rows = value["input_ids"] if isinstance(value, dict) else value
        return rows if isinstance(rows[0], list) else [rows]
    return [[int(i) for i in row.split(",")] for row in text.split("/")]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory", help="Hugging Face directory of a model")
    prompt = arguments.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--ids", help="1,2,3 or 1,2,3/4,5,6 (rows of one length) or a JSON file")
    prompt.add_argument("--text", help="a prompt, encoded with the directory's tokenizer (and its start token)")
    arguments.add_argument("--gradients", action="store_true", help="also grad.* of the mean next-token loss")
    arguments.add_argument("--hooks", default="", help="regular expression: only hooks whose names match")
    arguments.add_argument("--out", help="safetensors file to write")
    arguments.add_argument("--check", help="safetensors file to compare with")
    arguments.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help=f"for --check, as a share of a tensor's greatest value ({TOLERANCE})"
    )
    arguments.add_argument("--double", action="store_true", help="compute in F64, all but RoPE's angles; written as F32")
    options = arguments.parse_args()
    if not options.out and not options.check:
        arguments.error("give --out FILE, --check FILE, or both")

    rows = read_ids(options.ids) if options.ids else [encode(options.directory, options.text)]
    model = load(options.directory)
    values = dump(model.double() if options.double else model, torch.tensor(rows), re.compile(options.hooks), options.gradients)
    if options.out:
        save_file(values, options.out, metadata={"made_by": "reference/dump.py", "input_ids": json.dumps(rows)})
        print(f"{options.out}: {len(values)} tensors")
    return 0 if not options.check or compare(load_file(options.check), values, options.tolerance) else 1


if __name__ == "__main__":
    sys.exit(main())
