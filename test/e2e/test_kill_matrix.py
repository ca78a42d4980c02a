# SPDX-License-Identifier: Apache-2.0
"""The server killed at random instants under load, and before and after every system call of a scripted scenario."""
import os
import time

import pytest
from harness import killing, syscalls
from harness.wait import SLOWNESS

# A sanitized server takes long to begin, so fewer of them die.
KILLS = int(os.environ.get("ZINIT_KILLS", int(1000 / SLOWNESS ** 4)))
POINTS = int(os.environ.get("ZINIT_KILL_POINTS", int(60 / SLOWNESS ** 2)))
# Other instants every day, and the same ones for whoever asks for that day's number.
SEED = int(os.environ.get("ZINIT_KILL_SEED", time.time() // 86400))
# Each has its own server: the kills of one pass while another one takes over.
LANES = {"few": killing.FEW, "few-2": killing.FEW, "fifty": killing.FIFTY, "few-3": killing.FEW}

pytestmark = pytest.mark.timeout(90 + 2 * SLOWNESS * (KILLS + (POINTS or 2000)))


@pytest.mark.parametrize("lane", LANES)
def test_random_instants(server, lane):
    """Acceptance 29, in lanes that run at the same time."""
    seed = SEED + list(LANES).index(lane)
    print(f"ZINIT_KILL_SEED={SEED}")
    killing.run(server, KILLS // len(LANES) or 1, seed, LANES[lane])


def test_system_calls(server):
    """POINTS of all instants before and after system calls, evenly spread; 0 stands for every one."""
    scenario = syscalls.Scenario(server)
    scenario.start()
    stops = scenario.points()
    step = max(1, stops // POINTS) if POINTS else 1
    chosen = range(1 + SEED % step, stops + 1, step)
    killed = scenario.run(chosen)
    print(f"{stops} instants, {len(chosen)} tried, {killed} servers killed there, ZINIT_KILL_SEED={SEED}")
    # a count that one round does not reach kills nobody; most do, which a handful need not show
    assert killed > (len(chosen) / 2 if len(chosen) >= 30 else 0)
