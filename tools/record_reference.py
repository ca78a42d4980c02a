#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what zinit 0.3.9 answers: test/fixtures/reference/transcript.json.

Usage: tools/record_reference.py DIRECTORY     (that holds zinit-server and zinit of `cargo install zinit --version 0.3.9`)
"""
import json
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "test/e2e"))
from harness import exchanges, reference  # noqa: E402


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="zinit-ref-") as folder:
        with reference.Reference(sys.argv[1], folder, exchanges.FILES) as server:
            entries = exchanges.run(server.socket, server.services, exchanges.steps())
    out = ROOT / "test/fixtures/reference/transcript.json"
    with open(out, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "\n]\n")
    print(f"{len(entries)} exchanges recorded in {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
