# SPDX-License-Identifier: Apache-2.0
"""The server killed at random instants under load, and at every system call of a scripted scenario."""
import os
import shutil

import pytest
from harness import killing, syscalls
from harness.wait import SLOWNESS

# A sanitized server takes long to begin, so fewer of them die.
KILLS = int(os.environ.get("ZINIT_KILLS", int(120 / SLOWNESS ** 2)))
POINTS = int(os.environ.get("ZINIT_KILL_POINTS", int(60 / SLOWNESS ** 2)))
SEED = int(os.environ.get("ZINIT_KILL_SEED", "1"))

pytestmark = pytest.mark.timeout(90 + 2 * SLOWNESS * (KILLS + (POINTS or 1000)))


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
    # a count that one round does not reach kills nobody; about two thirds do, which a handful need not show
    assert killed > (len(chosen) / 2 if len(chosen) >= 30 else 0)
