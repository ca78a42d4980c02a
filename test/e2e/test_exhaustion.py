# SPDX-License-Identifier: Apache-2.0
"""The n-th call of each kind fails: no request, exit or line is lost by it, and the next try works."""
import os
import time

import pytest
from harness import processes
from harness.faults import Faults
from harness.killing import consecutive_from_one, patiently
from harness.rpc import RpcError
from harness.wait import SLOWNESS, wait_for

POINTS = int(os.environ.get("ZINIT_FAULT_POINTS", "40"))
SEED = int(os.environ.get("ZINIT_FAULT_SEED", time.time() // 86400))
CASES = [("memory", "ENOMEM"), ("fd", "EMFILE"), ("fd", "ENFILE"), ("map", "ENOMEM"), ("epoll", "ENOSPC"), ("send", "ENOBUFS"),
         ("write", "ENOSPC"), ("write", "EROFS"), ("write", "EIO"), ("read", "EIO")]
COUNT = "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.02; done"

pytestmark = [pytest.mark.timeout(120 + 2 * (POINTS or 5000)),
              pytest.mark.skipif(SLOWNESS > 1, reason="sanitizers bring a malloc of their own")]


class Scenario:
    def __init__(self, server):
        self.server = server
        self.faults = Faults(server)
        server.add("count", COUNT, store=True, buffer_lines=100000)
        server.add("crasher", "exec sleep 1000", restart="always", restart_delay_ms=10, restart_delay_max_ms=20, max_restarts=1000000)
        server.add("toggled", "sleep 1001 & echo up; exec sleep 1000", status="stop", restart="always", restart_delay_ms=10,
                   restart_delay_max_ms=100, max_restarts=1000000)
        server.start(env=self.faults.environment())
        for name in ("count", "crasher"):
            server.wait_state(name, "running")
        self.brain = server.brain()
        self.count = server.pid("count")

    def ask(self, method, name):
        """Until it is answered by yes; a fault may end the connection, or be told as an error."""
        def once():
            try:
                patiently(lambda: self.server.rpc(method, {"name": name}))
            except RpcError as error:
                return "already" in error.message
            return True
        wait_for(once, 10, f"{method} {name}")

    def state(self, name):
        try:
            return patiently(lambda: self.server.state(name))
        except RpcError:
            return None

    def round(self):
        """What a server does all day; each call that fails must leave it able to."""
        old = wait_for(lambda: self.pid("crasher"), 10)
        processes.kill(old)
        self.ask("service.start", "toggled")
        wait_for(lambda: self.state("toggled") == "running", 10, "it runs")
        self.ask("service.stop", "toggled")
        wait_for(lambda: self.state("toggled") in ("inactive", "exited"), 10, "it is stopped")
        wait_for(lambda: self.new_crasher(old), 10, "it was restarted")

    def pid(self, name):
        try:
            return patiently(lambda: self.server.pid(name))
        except RpcError:
            return None

    def new_crasher(self, old):
        pid = self.pid("crasher")
        return pid and pid != old and processes.alive(pid)

    def check(self, what):
        server = self.server
        assert server.brain() == self.brain, f"{what}: the server ended"
        assert server.pid("count") == self.count, what
        wait_for(lambda: not [p for p in server.leftovers() if processes.command(p) == "sleep 1001"], 3, f"{what}: nothing is left")
        zombies = [p for p in processes.children(server.keeper) if (s := processes.stat(p)) and s[0] == "Z"]
        wait_for(lambda: not [p for p in zombies if (s := processes.stat(p)) and s[0] == "Z"], 5, f"{what}: zombies are reaped")

    def check_lines(self):
        last = int(self.server.log("count", 1)[0]["line"])
        wait_for(lambda: int(self.server.log("count", 1)[0]["line"]) > last, 5, "lines flow")
        self.server.cli("stop", "count")
        gap = consecutive_from_one([int(e["line"]) for e in self.server.log("count", 100000)])
        assert not gap, gap


@pytest.mark.parametrize("kind, error", CASES, ids=["-".join(case) for case in CASES])
def test_each_call(server, kind, error):
    scenario = Scenario(server)
    with scenario.faults.failing(kind, error, first=1 << 50) as faults:
        scenario.round()
        calls = faults.seen
    step = max(1, calls // POINTS) if POINTS else 1
    failed = 0
    for n in range(SEED % step, calls + 1, step):
        with scenario.faults.failing(kind, error, first=n, count=1) as faults:
            scenario.round()
            failed += faults.failed
        scenario.check(f"{kind} call {n} of {calls} ({error})")
    scenario.check_lines()
    print(f"{kind}: {calls} calls in a round, {failed} failed with {error}, ZINIT_FAULT_SEED={SEED}")
