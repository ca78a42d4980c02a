# SPDX-License-Identifier: Apache-2.0
"""README.md and docs/guide.md are true: their commands are run as they stand, in order, and each must succeed."""
import os
import pathlib
import re
import subprocess
import tempfile

import pytest
from harness import processes
from harness.server import binary
from harness.wait import SLOWNESS

ROOT = pathlib.Path(__file__).parents[2]
# What a reader does once for all documents, and the test has done already.
BUILDING = re.compile(r"^(tools/install-deps\.sh .*|make|export PATH=.*)$")
UNTIL_CTRL_C = re.compile(r"^(?P<command>[^#]*?)\s+#.*Ctrl-C.*$")


def shell_lines(document, heading=None):
    """The lines of all ```sh blocks, or of those of one section."""
    text = (ROOT / document).read_text()
    if heading:
        text = next(part for part in re.split(r"^## ", text, flags=re.M) if part.startswith(heading))
    return [line for block in re.findall(r"^```sh\n(.*?)^```$", text, flags=re.M | re.S) for line in block.splitlines()]


def script(lines, place):
    """One bash script of them: stops at the first failure; what runs until Ctrl-C gets it after a second."""
    out = ["set -eu -o pipefail"]
    for line in lines:
        if BUILDING.match(line):
            continue
        match = UNTIL_CTRL_C.match(line)
        if match:
            line = f"{{ timeout -s INT 1 {match['command']} || case $? in 124 | 130) ;; *) false ;; esac; }}"
        out.append(line)
    return "\n".join(out).replace("/tmp/tour", place).replace("/tmp/zinit-postgresql", f"{place}-pg") + "\n"


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="zinit-tour-") as path:
        yield path
        for pid in processes.marked(path.encode()):
            processes.kill(pid)


def run(lines, place):
    path = f"{binary('zinit').parent}:{binary('zinit-server').parent}:{os.environ['PATH']}"
    with open(f"{place}/output", "w+") as out:
        # The output goes to a file: a server that were left behind would hold a pipe for ever.
        result = subprocess.run(["bash", "-c", script(lines, f"{place}/tour")], stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.STDOUT, timeout=80 * SLOWNESS, env={**os.environ, "PATH": path}, cwd=ROOT)
        out.seek(0)
        text = out.read()
    assert result.returncode == 0, text
    assert processes.marked(place.encode()) == []
    return text


def test_tour_of_the_readme(place):
    text = run(shell_lines("README.md", "A five-minute tour"), place)
    pids = re.findall(r"^\s*pid\s+(\d+)$", text, flags=re.M)
    assert len(pids) >= 3 and pids[-1] == pids[-2]  # before and after the server was killed
    assert "hello" in text


def test_guide(place):
    os.chmod(place, 0o755)
    os.environ["PGDATA"] = f"{place}/tour-pg"
    text = run(shell_lines("docs/guide.md"), place)
    print(text)
    pids = re.findall(r"^\s*pid\s+(\d+)$", text, flags=re.M)
    assert pids[-1] == pids[-2]
    for words in ("hello from zinit", "database system is shut down", "because import is failed: exited with code 3", "typo.toml:6:"):
        assert words in text


@pytest.mark.parametrize("example", sorted(p.name for p in (ROOT / "examples").iterdir()))
def test_examples_are_valid(example):
    """`zinit check` takes unknown keys for errors, which a load does not."""
    result = subprocess.run([binary("zinit"), "check", ROOT / "examples" / example], capture_output=True, text=True, timeout=20)
    assert result.returncode == 0, result.stdout + result.stderr


def test_map_of_the_readme():
    for path in re.findall(r"`((?:src|test|docs|examples)/[\w/]*)`", (ROOT / "README.md").read_text()):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / path).exists(), path


def test_layers_of_the_architecture_page():
    """Every folder of src/ is in the table of ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for folder in (ROOT / "src").iterdir():
        if folder.is_dir():
            assert f"| `{folder.name}` |" in text, folder.name
