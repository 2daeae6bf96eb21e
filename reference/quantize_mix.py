#!/usr/bin/env python3
"""What types llama.cpp itself gives to the tensors of a `phi2` file: `llama_model_quantize` of the library that philab runs on.

    python quantize_mix.py            writes test/fixtures/llama-quantize-mix.json
    python quantize_mix.py IN.gguf OUT.gguf --type q4_k_m     only quantises a file

The fixture holds, for small random models (fused and split qkv, rows that are multiples of 256 and rows that are not), the type
of every matrix after each of the six quantisations that philab offers. Layers matter (some keep more bits), width matters only by
its remainder: models of a few hundred columns stand for Phi-2. Needs `npm ci` (the library of @node-llama-cpp) on Linux.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf

ROOT = Path(__file__).parent.parent
FIXTURE = ROOT / "test" / "fixtures" / "llama-quantize-mix.json"
FTYPES = {
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q6_k": gguf.LlamaFileType.MOSTLY_Q6_K,
    "q5_k_m": gguf.LlamaFileType.MOSTLY_Q5_K_M,
    "q4_k_m": gguf.LlamaFileType.MOSTLY_Q4_K_M,
    "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
}
# (name, arguments of random_gguf.py); the last two have rows of 160 and 640 like phi-micro: no multiples of 256
MODELS = {
    "32 layers, fused qkv, width 256": ["--layers", "32", "--width", "256", "--heads", "8"],
    "24 layers, split qkv, width 256": ["--layers", "24", "--width", "256", "--heads", "8", "--qkv", "split"],
    "5 layers, fused qkv, width 160": ["--layers", "5", "--width", "160", "--heads", "5"],
    "5 layers, split qkv, width 160": ["--layers", "5", "--width", "160", "--heads", "5", "--qkv", "split"],
}


class Parameters(ctypes.Structure):
    """`llama_model_quantize_params`: the two fields used here, and room for the rest, whatever it is."""

    _fields_ = [("threads", ctypes.c_int32), ("ftype", ctypes.c_int32), ("rest", ctypes.c_uint8 * 504)]


def load_library() -> ctypes.CDLL:
    machine = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
    folder = ROOT / f"node_modules/@node-llama-cpp/linux-{machine}/bins/linux-{machine}"
    (path,) = folder.glob("libllama.v*.so")
    for dependency in ("libggml-base.so", *(p.name for p in folder.glob("libggml.v*.so"))):
        ctypes.CDLL(str(folder / dependency), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(path))
    ctypes.CDLL(str(next(folder.glob("libggml.v*.so")))).ggml_backend_load_all_from_path(str(folder).encode())
    library.llama_model_quantize_default_params.restype = Parameters
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Parameters)]
    library.llama_model_quantize.restype = ctypes.c_uint32
    return library


def quantize(library: ctypes.CDLL, source: str, target: str, kind: str) -> None:
    parameters = library.llama_model_quantize_default_params()
    parameters.threads, parameters.ftype = 1, FTYPES[kind]
    if library.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)) != 0:
        raise SystemExit(f"llama.cpp did not quantise {source} to {kind}")


def matrix_types(path: str) -> dict[str, str]:
    return {t.name: t.tensor_type.name.lower() for t in gguf.GGUFReader(path).tensors if len(t.shape) == 2}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("source", nargs="?")
    arguments.add_argument("target", nargs="?")
    arguments.add_argument("--type", choices=FTYPES, default="q4_k_m")
    options = arguments.parse_args()
    library = load_library()
    if options.source and options.target:
        return quantize(library, options.source, options.target, options.type)

    found: dict[str, dict[str, dict[str, str]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/f16.gguf", f"{folder}/out.gguf"
        for name, shape in MODELS.items():
            command = [sys.executable, str(Path(__file__).with_name("random_gguf.py")), source, "--type", "f16"]
            subprocess.run([*command, "--vocabulary", "512", "--rotary", "16", *shape], check=True, stdout=subprocess.DEVNULL)
            found[name] = {}
            for kind in FTYPES:
                quantize(library, source, target, kind)
                found[name][kind] = matrix_types(target)
    lines = [
        f"  {json.dumps(name)}: {{\n"
        + ",\n".join(f"   {json.dumps(kind)}: {json.dumps(types)}" for kind, types in kinds.items())
        + "\n  }"
        for name, kinds in found.items()
    ]
    head = '{\n "made_by": "reference/quantize_mix.py",\n "with": "llama.cpp v0.5.0",\n "models": {\n'
    FIXTURE.write_text(head + ",\n".join(lines) + "\n }\n}\n")
    print(f"{FIXTURE}: {FIXTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
