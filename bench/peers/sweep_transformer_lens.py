"""TransformerLens's serial sweep of the residual stream behind JSON lines: the peer of interpret.mjs.

    open    {folder, threads}                    a Hugging Face directory of a Phi model, in F32, weights as they are
    sweep   {clean, corrupted, right, wrong}     get_act_patch_resid_pre -> {values: [layer][position], ms}
"""

import json
import os
import sys
import time

os.environ["TQDM_DISABLE"] = "1"
# What libraries print must not mix with the answers.
answers, sys.stdout = sys.stdout, sys.stderr

import torch
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge
from transformers import PhiForCausalLM

state = {}


def open_model(request):
    torch.set_num_threads(request["threads"])
    folder = request["folder"]
    model = PhiForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.config._name_or_path = folder
    bridge = TransformerBridge.boot_transformers(folder, hf_model=model, dtype=torch.float32, tokenizer=None)
    bridge.enable_compatibility_mode(no_processing=True)
    state["bridge"] = bridge
    return {"layers": bridge.cfg.n_layers}


@torch.no_grad()
def sweep(request):
    bridge = state["bridge"]
    started = time.perf_counter()
    _, cache = bridge.run_with_cache(
        torch.tensor([request["clean"]]), names_filter=lambda name: name.endswith("hook_resid_pre")
    )
    metric = lambda logits: logits[0, -1, request["right"]] - logits[0, -1, request["wrong"]]
    values = patching.get_act_patch_resid_pre(bridge, torch.tensor([request["corrupted"]]), cache, metric)
    return {"values": values.tolist(), "ms": (time.perf_counter() - started) * 1000}


commands = {"open": open_model, "sweep": sweep}
for line in sys.stdin:
    request = json.loads(line)
    if request["command"] == "quit":
        break
    try:
        reply = {"result": commands[request["command"]](request)}
    except Exception as error:  # what the caller prints
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), file=answers, flush=True)
