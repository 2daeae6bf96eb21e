#!/usr/bin/env python3
"""Small data files as other programs write them, for philab's readers: `test/fixtures/data` (Parquet by pyarrow, bzip2)."""

import bz2
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent.parent / "test" / "fixtures" / "data"
ROWS = [
    {"goal": f"What is {i} + {i + 1}?", "sol1": str(2 * i + 1), "sol2": str(i), "label": i % 2, "tags": ["sum", "é 😀"]}
    for i in range(6)
]

FOLDER.mkdir(exist_ok=True)
pq.write_table(pa.Table.from_pylist(ROWS), FOLDER / "rows.parquet", compression="snappy")
lines = "".join(json.dumps(row) + "\n" for row in ROWS)
(FOLDER / "rows.jsonl.bz2").write_bytes(bz2.compress((lines + "x" * 300_000 + "\n" + "abcab" * 40_000).encode(), 1))
