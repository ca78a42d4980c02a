# SPDX-License-Identifier: Apache-2.0
"""cgroup v2 with all controllers, which few machines give to tests: in a virtual machine (machine.py, inside.sh)."""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import machine  # noqa: E402

NAMES = re.findall(r"^test_(\w+)\(\)", (machine.HERE / "inside.sh").read_text(), re.MULTILINE)

pytestmark = [pytest.mark.skipif(bool(machine.missing()), reason=machine.missing() or "all is there"),
              pytest.mark.timeout(machine.TIMEOUT + 30)]


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return machine.run(tmp_path_factory.mktemp("vm"))


@pytest.mark.parametrize("name", NAMES)
def test_inside(output, name):
    if f"\nok {name}\n" not in output:
        print(output)
    assert f"\nok {name}\n" in output
