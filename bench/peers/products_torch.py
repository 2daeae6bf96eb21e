"""f32 products of PyTorch behind JSON lines: the peer of products.mjs.

    open      {n, k, m, count, arrangement, threads}
    multiply  -> {ms}, the faster of two
"""

import json
import sys
import time

import torch

state = {}


def open_product(request):
    torch.set_num_threads(request["threads"])
    n, k, m = (request[name] for name in "nkm")
    a = torch.rand(n, k) - 0.5 if request["arrangement"][0] == "N" else (torch.rand(k, n) - 0.5).t()
    b = torch.rand(k, m) - 0.5 if request["arrangement"][1] == "N" else (torch.rand(m, k) - 0.5).t()
    state.update(a=a, b=b, out=[torch.empty(n, m) for _ in range(request["count"])])
    multiply_once()
    return {}


def multiply_once():
    started = time.perf_counter()
    for out in state["out"]:
        torch.mm(state["a"], state["b"], out=out)
    return (time.perf_counter() - started) * 1000


def multiply():
    return {"ms": min(multiply_once() for _ in range(2))}


for line in sys.stdin:
    request = json.loads(line)
    command = request["command"]
    if command == "quit":
        break
    result = open_product(request) if command == "open" else multiply()
    print(json.dumps({"result": result}), flush=True)
