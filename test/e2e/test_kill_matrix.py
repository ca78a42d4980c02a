# SPDX-License-Identifier: Apache-2.0
"""The server killed at random instants under load, and at every system call of a scripted scenario."""
import os
import shutil

import pytest
from harness import killing, syscalls

KILLS = int(os.environ.get("ZINIT_KILLS", "120"))
POINTS = int(os.environ.get("ZINIT_KILL_POINTS", "60"))
SEED = int(os.environ.get("ZINIT_KILL_SEED", "1"))


def test_random_instants(server):
    killing.run(server, KILLS, SEED)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_system_calls(server):
    """POINTS of all pairs (system call, n), evenly spread; 0 stands for every one."""
    scenario = syscalls.Scenario(server)
    scenario.start()
    points = scenario.points()
    step = max(1, len(points) // POINTS) if POINTS else 1
    chosen = points[SEED % step::step]
    killed = sum(scenario.round(f"{name}:signal=KILL:when={n}") for name, n in chosen)
    print(f"{len(points)} points, {len(chosen)} tried, {killed} servers killed there")
    assert killed > len(chosen) / 2
