#!/usr/bin/env python3
"""A control vector as repeng exports it (`ControlVector.export_gguf`), and whether llama.cpp's reader takes one of philab's.

    python control_vector.py              writes test/fixtures/control-vector.gguf
    python control_vector.py --read FILE  prints what the `gguf` package reads in a file
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np

FIXTURE = Path(__file__).parent.parent / "test" / "fixtures" / "control-vector.gguf"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--read", type=Path)
    options = arguments.parse_args()
    if options.read:
        reader = gguf.GGUFReader(options.read)
        for field in reader.fields.values():
            print(field.name, field.contents())
        for tensor in reader.tensors:
            print(tensor.name, list(tensor.shape), tensor.tensor_type.name, tensor.data.tolist()[:8])
        return
    writer = gguf.GGUFWriter(FIXTURE, "controlvector")
    writer.add_string("controlvector.model_hint", "phi2")
    writer.add_uint32("controlvector.layer_count", 2)
    for layer in (1, 3):
        writer.add_tensor(f"direction.{layer}", (np.arange(8) * layer / 4 - 1).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
