"""A training step of transformers' PhiForCausalLM behind JSON lines: the peer of train.mjs.

    open    {model, batch, length, threads}   a model with random weights, and AdamW
    step    {ids}                             loss, gradients and update -> {loss, ms}
    memory
"""

import json
import resource
import sys
import time

import torch
from transformers import PhiConfig, PhiForCausalLM

state = {}


def memory():
    return {"peakRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def open_model(request):
    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    config = PhiConfig(**request["model"], attn_implementation=request.get("attention", "sdpa"))
    model = PhiForCausalLM(config).train()
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=1e-3,
        betas=(0.9, 0.98),
        eps=1e-7,
        fused=request.get("fused", True),
    )
    state.update(model=model, optimizer=optimizer, request=request)
    return {"parameters": sum(p.numel() for p in model.parameters()), "memory": memory()}


def step(request):
    model, optimizer = state["model"], state["optimizer"]
    shape = (state["request"]["batch"], state["request"]["length"])
    started = time.perf_counter()
    ids = torch.tensor(request["ids"]).reshape(shape)
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    found = {"loss": loss.item(), "gradientNorm": norm.item()}
    return {**found, "ms": (time.perf_counter() - started) * 1000}


commands = {"open": open_model, "step": step, "memory": lambda _: memory()}
for line in sys.stdin:
    request = json.loads(line)
    if request["command"] == "quit":
        break
    try:
        reply = {"result": commands[request["command"]](request)}
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
