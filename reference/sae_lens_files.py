"""Sparse autoencoders and transcoders as SAELens writes and computes them.

    python reference/sae_lens_files.py                       writes test/fixtures/sae-lens
    python reference/sae_lens_files.py check DICTIONARY      opens what philab wrote, and compares reconstructions

Run from the repository's root, after `npm run build`. It needs sae-lens 6.54.12, which wants transformer_lens below 4: give it
an environment of its own.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from sae_lens import SAE
from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.saes.standard_sae import StandardSAE, StandardSAEConfig
from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig
from sae_lens.saes.transcoder import (
    JumpReLUTranscoder,
    JumpReLUTranscoderConfig,
    Transcoder,
    TranscoderConfig,
)

FIXTURES = Path(__file__).parent.parent / "test" / "fixtures" / "sae-lens"
SIZES = {"d_in": 6, "d_sae": 20}
HOOK = {"hook_name": "blocks.1.hook_resid_post", "model_name": "a model"}
MLP = {"hook_name": "blocks.1.hook_ln1_out", "hook_name_out": "blocks.1.hook_mlp_out"}


def dictionaries():
    plain = {**SIZES, "metadata": SAEMetadata(**HOOK)}
    mlp = {**SIZES, "d_out": 5, "apply_b_dec_to_input": False, "metadata": SAEMetadata(**MLP)}
    yield "standard", StandardSAE(StandardSAEConfig(**plain))
    yield "standard-plain", StandardSAE(StandardSAEConfig(**plain, apply_b_dec_to_input=False))
    yield "topk", TopKSAE(TopKSAEConfig(**plain, k=4))
    yield "topk-rescaled", TopKSAE(TopKSAEConfig(**plain, k=4, rescale_acts_by_decoder_norm=True))
    yield "jumprelu", JumpReLUSAE(JumpReLUSAEConfig(**plain))
    yield "transcoder", Transcoder(TranscoderConfig(**mlp))
    yield "jumprelu-transcoder", JumpReLUTranscoder(JumpReLUTranscoderConfig(**mlp))


def write():
    torch.manual_seed(0)
    for name, sae in dictionaries():
        with torch.no_grad():
            for parameter, values in sae.named_parameters():
                values.copy_(torch.randn(values.shape) * (0.3 if "b_" in parameter else 1))
                if parameter == "threshold":
                    values.abs_()
        folder = FIXTURES / name
        sae.save_model(folder)
        x = torch.randn(9, SIZES["d_in"])
        with torch.no_grad():
            rows = {"input": x, "latents": sae.encode(x), "output": sae(x)}
        text = json.dumps({key: value.tolist() for key, value in rows.items()})
        (folder / "rows.json").write_text(text + "\n")


PHILAB = """
import { readDictionary, reconstruct } from "philab/features";
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const rows = Float32Array.from(JSON.parse(Buffer.concat(chunks).toString()).flat());
const { latents, reconstruction } = await reconstruct(await readDictionary(process.argv[1]), rows);
console.log(JSON.stringify({ latents: [...latents], output: [...reconstruction] }));
"""


def check(folder: Path):
    sae = SAE.load_from_disk(folder)
    x = torch.randn(64, sae.cfg.d_in, generator=torch.Generator().manual_seed(0))
    node = ["node", "--input-type=module", "--eval", PHILAB, str(folder.resolve())]
    answer = subprocess.run(node, input=json.dumps(x.tolist()), capture_output=True, text=True, check=True)
    rows = {name: torch.tensor(values).reshape(len(x), -1) for name, values in json.loads(answer.stdout).items()}
    with torch.no_grad():
        wanted = {"latents": sae.encode(x), "output": sae(x)}
    worst = {name: ((rows[name] - wanted[name]).abs().max() / wanted[name].abs().max()).item() for name in wanted}
    print(type(sae).__name__, sae.cfg.metadata.hook_name, f"{len(x)} rows, largest differences:", worst)
    assert max(worst.values()) < 1e-4 and sae.cfg.metadata.hook_name is not None


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        for argument in sys.argv[2:]:
            check(Path(argument))
    else:
        write()
