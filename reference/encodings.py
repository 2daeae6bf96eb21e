"""What binutils' assembler makes of x86-64 instructions: test/fixtures/x86-encodings.json, for src/kernels/assembler.test.ts.

    python reference/encodings.py test/fixtures/x86-encodings.json [--add LINES.txt]

The fixture maps instructions in Intel's syntax to bytes. Every one is assembled anew, and those of LINES.txt besides.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile


def assemble(lines: list[str]) -> list[str]:
    """Bytes of each line, in hexadecimal."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, "code.s"), pathlib.Path(folder, "code.o")
        labelled = "".join(f"L{i}:\n{line}\n" for i, line in enumerate(lines))
        source.write_text(f".intel_syntax noprefix\n{labelled}L{len(lines)}:\n")
        subprocess.run(["as", "--64", "-o", binary, source], check=True)
        symbols = subprocess.run(["nm", binary], check=True, capture_output=True, text=True).stdout
        starts = {int(n): int(at, 16) for at, n in re.findall(r"^(\w+) t L(\d+)$", symbols, re.M)}
        text = pathlib.Path(folder, "code.bin")
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", binary, text], check=True)
        code = text.read_bytes()
        return [code[starts[i] : starts[i + 1]].hex() for i in range(len(lines))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixture", type=pathlib.Path)
    parser.add_argument("--add", type=pathlib.Path)
    options = parser.parse_args()
    lines = list(json.loads(options.fixture.read_text())) if options.fixture.exists() else []
    if options.add:
        lines = list(dict.fromkeys([*lines, *options.add.read_text().splitlines()]))
    options.fixture.write_text(json.dumps(dict(zip(lines, assemble(lines), strict=True)), indent=0) + "\n")
    print(f"{len(lines)} instructions")


if __name__ == "__main__":
    main()
