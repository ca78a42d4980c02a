# SPDX-License-Identifier: Apache-2.0
"""The layer check can fail: each kind of breach is found, and the tree as it is has none."""
import pathlib

import check_layers
import pytest

ROOT = pathlib.Path(__file__).parents[2]


def problems(tmp_path, where, *lines):
    file = tmp_path / "src" / where
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(lines) + "\n")
    return check_layers.check_tree(tmp_path)[1]


@pytest.mark.parametrize("where, line, reason", [
    ("base/str.c", '#include "loop/loop.h"', "base may not include loop"),
    ("log/ring.c", '#include "process/spawn.h"', "log may not include process"),
    ("service/machine.c", '#include "loop/loop.h"', "service may not include loop"),
    ("service/machine.c", "#include <time.h>", "service is pure: no <time.h>"),
    ("service/machine.c", "#  include <sys/types.h>", "service is pure"),
    ("keeper/keeper.c", '#include "loop/loop.h"', "keeper may not include loop"),
    ("cli/main.c", '#include "rpc/frame.h"', "cli may not include rpc"),
    ("supervisor/probe.c", "#include <curl/curl.h>", "is for worker only"),
    ("config/load.c", "#include <toml++/toml.h>", "is for config/toml_shim.cc only"),
    ("base/json.c", "#include <jansson.h>", "is for config"),
    ("log/ring.c", '#include "../process/spawn.h"', "without '..'"),
    ("log/ring.c", '#include "ring.h"', 'write "log/ring.h"'),
    ("log/ring.c", '#include "nowhere/ring.h"', "no folder of the layer table"),
])
def test_breach_is_found(tmp_path, where, line, reason):
    found = problems(tmp_path, where, "/* SPDX */", line)
    assert len(found) == 1
    assert f"{where}:2: " in found[0] and reason in found[0]


def test_unknown_folder_is_found(tmp_path):
    assert "not in the layer table" in problems(tmp_path, "extra/x.c", "int x;")[0]


@pytest.mark.parametrize("where, line", [
    ("supervisor/supervisor.c", '#include "service/machine.h"'),
    ("config/toml_shim.cc", "#include <toml++/toml.h>"),
    ("service/machine.c", "#include <string.h>"),
    ("log/reader.c", "#include <sys/epoll.h>"),
])
def test_allowed_include_passes(tmp_path, where, line):
    assert problems(tmp_path, where, line) == []


def test_table_is_a_strict_order():
    """No two folders may include each other, over any number of steps."""
    def below(folder, seen=()):
        assert folder not in seen, f"cycle: {seen + (folder,)}"
        for lower in check_layers.LAYERS[folder].split():
            below(lower, seen + (folder,))

    for folder in check_layers.LAYERS:
        below(folder)


def test_the_tree_itself():
    count, found = check_layers.check_tree(ROOT)
    assert count > 10
    assert found == []
