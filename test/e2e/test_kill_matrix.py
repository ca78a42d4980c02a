# SPDX-License-Identifier: Apache-2.0
"""The server killed at random instants under load, and at every system call of a scripted scenario."""
import os

import pytest
from harness import killing

KILLS = int(os.environ.get("ZINIT_KILLS", "60"))
SEED = int(os.environ.get("ZINIT_KILL_SEED", "1"))


def test_random_instants(server):
    killing.run(server, KILLS, SEED)
