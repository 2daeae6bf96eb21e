#!/usr/bin/env python3
"""A small GGUF file with a metadata value of every type and tensors of several types, by python's gguf package.

    python gguf_values.py test/fixtures/checkpoint/values.gguf

Made with it: that file, which the tests read and write back.
"""

from __future__ import annotations

import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf import GGUFValueType as V

writer = gguf.GGUFWriter(sys.argv[1], "philab-test")
writer.add_custom_alignment(64)
for name, value in {
    "uint8": 200,
    "int8": -100,
    "uint16": 60_000,
    "int16": -30_000,
    "uint32": 4_000_000_000,
    "int32": -2_000_000_000,
    "uint64": 2**64 - 1,
    "int64": -(2**63),
    "float32": 0.5,
    "float64": 0.1,
    "bool": True,
    "string": "Ġ → 🚀 \" \\ \n",
}.items():
    writer.add_key_value(f"test.{name}", value, V[name.upper()])
for name, values in {
    "uint8": [0, 255],
    "int8": [-128, 127],
    "uint16": [1, 2, 3],
    "int16": [-1],
    "uint32": [4_000_000_000],
    "int32": [-5, 6],
    "uint64": [2**63, 1],
    "int64": [-1, 2**62],
    "float32": [0.25, -1.5],
    "float64": [0.1, 0.2],
    "bool": [True, False, True],
    "string": ["", "a", "Ġthe", "é🚀"],
}.items():
    writer.add_key_value(f"test.list.{name}", values, V.ARRAY, V[name.upper()])

values = np.arange(2 * 3 * 32, dtype=np.float32).reshape(2, 3, 32) / 8 - 10
writer.add_tensor("f32", values)
writer.add_tensor("f16", values.astype(np.float16))
writer.add_tensor("bf16", gguf.quants.quantize(values, Q.BF16), raw_dtype=Q.BF16)
writer.add_tensor("q8_0", gguf.quants.quantize(values, Q.Q8_0), raw_dtype=Q.Q8_0)
writer.add_tensor("q4_0", gguf.quants.quantize(values, Q.Q4_0), raw_dtype=Q.Q4_0)
writer.add_tensor("i32", np.arange(5, dtype=np.int32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
