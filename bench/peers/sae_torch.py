"""A training step of a TopK autoencoder in PyTorch behind JSON lines: the peer of circuits.mjs.

    open    {width, latents, k, tokens, threads}
    step    {}      loss, gradients, clipping, AdamW, unit decoder -> {loss, ms}
"""

import json
import sys
import time

import torch

state = {}


def open_model(request):
    torch.set_num_threads(request["threads"])
    torch.manual_seed(1)
    width, latents = request["width"], request["latents"]
    decoder = torch.nn.functional.normalize(torch.randn(latents, width), dim=1)
    parameters = {
        "encoder": decoder.clone(),
        "encoder_bias": torch.zeros(latents),
        "decoder": decoder,
        "decoder_bias": torch.zeros(width),
    }
    for values in parameters.values():
        values.requires_grad_(True)
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-3, weight_decay=0.0, fused=True)
    x = torch.randn(request["tokens"], width)
    state.update(parameters=parameters, optimizer=optimizer, x=x, k=request["k"])
    return {}


def step(_):
    p, x = state["parameters"], state["x"]
    started = time.perf_counter()
    pre = (x - p["decoder_bias"]) @ p["encoder"].T + p["encoder_bias"]
    values, indices = torch.topk(pre, state["k"], dim=-1, sorted=False)
    latents = torch.zeros_like(pre).scatter_(-1, indices, values.relu())
    loss = (latents @ p["decoder"] + p["decoder_bias"] - x).pow(2).sum(-1).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
    state["optimizer"].step()
    state["optimizer"].zero_grad(set_to_none=False)
    with torch.no_grad():
        p["decoder"].div_(p["decoder"].norm(dim=1, keepdim=True))
    return {"loss": loss.item(), "ms": (time.perf_counter() - started) * 1000}


commands = {"open": open_model, "step": step}
for line in sys.stdin:
    request = json.loads(line)
    if request["command"] == "quit":
        break
    try:
        reply = {"result": commands[request["command"]](request)}
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
