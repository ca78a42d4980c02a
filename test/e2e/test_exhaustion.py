# SPDX-License-Identifier: Apache-2.0
"""The n-th call of each kind fails: no request, exit or line is lost by it, and the next try works."""
import os
import pathlib
import subprocess
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


# Condition as docs/exhaustion.md names it -> what fails for as long as it lasts.
LASTING = {
    "no descriptors (EMFILE)": ("fd", "EMFILE"),
    "no descriptors in the whole system (ENFILE)": ("fd", "ENFILE"),
    "no maps (ENOMEM from mmap)": ("map", "ENOMEM"),
    "no memory for messages (ENOBUFS)": ("send", "ENOBUFS"),
    "no room in epoll (ENOSPC)": ("epoll", "ENOSPC"),
    "disk full (ENOSPC)": ("write", "ENOSPC"),
    "disk read-only (EROFS)": ("write", "EROFS"),
    "disk fails to write (EIO)": ("write", "EIO"),
    "disk and /proc fail to read (EIO)": ("read", "EIO"),
    "no memory at all (malloc)": ("memory", "ENOMEM"),
    "processors busy": None,
}
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "exhaustion.md"
PATIENCE = 4


class Busy:
    """More that want to run than there are processors."""

    def __enter__(self):
        self.burners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2 * os.cpu_count())]

    def __exit__(self, *_):
        for burner in self.burners:
            burner.kill()
            burner.wait()


def within(predicate):
    """yes, or no: not within PATIENCE."""
    try:
        wait_for(predicate, PATIENCE)
    except AssertionError:
        return "no"
    return "yes"


def asked(connection, method, params):
    """What a client that is connected sees."""
    try:
        connection.call(method, params, PATIENCE)
    except RpcError:
        return "error"
    except TimeoutError:
        return "no"
    except (OSError, EOFError):
        return "closed"
    return "yes"


class Lasting:
    def __init__(self, server):
        self.server = server
        self.faults = Faults(server)
        for name in ("doomed", "stopme"):
            server.add(name, "exec sleep 1000", restart="never")
        server.add("later", "exec sleep 1000", status="stop", restart="always", restart_delay_ms=50, restart_delay_max_ms=200,
                   max_restarts=1000000)
        server.add("count", COUNT, store=True, buffer_lines=100000)
        server.start(env=self.faults.environment())
        for name in ("doomed", "stopme", "count"):
            server.wait_state(name, "running")
        server.wait_line("count", "5")
        self.brain = server.brain()
        self.pids = {name: server.pid(name) for name in ("doomed", "stopme", "count")}

    def connect(self):
        try:
            with self.server.connect(PATIENCE) as connection:
                return asked(connection, "system.ping", None)
        except OSError:
            return "closed"

    def measure(self):
        """One row of the document."""
        # each has its own: a request that is refused may cost its connection
        with self.server.connect() as to_stop, self.server.connect() as to_start, self.server.connect() as to_look:
            for connection in (to_stop, to_start, to_look):
                connection.call("system.ping")
            yield
            processes.kill(self.pids["doomed"])
            row = {"reap": within(lambda: processes.stat(self.pids["doomed"]) is None),
                   "status": asked(to_look, "service.status_full", {"name": "count"}),
                   "stop": asked(to_stop, "service.stop", {"name": "stopme"})}
            if row["stop"] == "yes":
                row["stop"] = within(lambda: processes.stat(self.pids["stopme"]) is None)
            row["new client"] = self.connect()
            row["start"] = asked(to_start, "service.start", {"name": "later"})
        self.row = row

    def check_after(self):
        """The condition is over: nothing of what was asked for, or came, is missing."""
        server = self.server
        assert server.brain() == self.brain and server.pid("count") == self.pids["count"]
        assert wait_for(lambda: server.status("doomed")["exit_signal"] == 9, 10)
        if self.row["start"] in ("no", "closed", "error"):
            wait_for(lambda: patiently(lambda: server.cli("start", "later")).returncode == 0 or server.state("later") == "running", 10)
        server.wait_state("later", "running", timeout=20)
        if self.row["stop"] != "yes":
            server.cli("stop", "stopme")
        wait_for(lambda: not processes.alive(self.pids["stopme"]), 10, "it was stopped")
        last = int(server.log("count", 1)[0]["line"])
        wait_for(lambda: int(server.log("count", 1)[0]["line"]) > last, 5, "lines flow")
        server.cli("stop", "count")
        gap = consecutive_from_one([int(e["line"]) for e in server.log("count", 100000)])
        self.row["lines"] = "no" if gap else "yes"


def documented():
    """The rows of the table in docs/exhaustion.md."""
    rows = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    head = rows[0][1:]
    return {row[0]: dict(zip(head, row[1:])) for row in rows[1:] if row[0] in LASTING}


@pytest.mark.parametrize("condition", LASTING)
def test_lasting(server, condition):
    """What docs/exhaustion.md promises for each condition is what happens."""
    lasting = Lasting(server)
    steps = lasting.measure()
    next(steps)
    case = LASTING[condition]
    with lasting.faults.failing(*case) if case else Busy():
        assert next(steps, None) is None
    lasting.check_after()
    print("| " + " | ".join([condition, *(lasting.row[k] for k in ("reap", "stop", "status", "lines", "new client", "start"))]) + " |")
    assert lasting.row == documented()[condition], condition


def test_retries_are_not_told_each_time(server):
    """A condition that lasts is told at the first, second, fourth … try, with the count."""
    faults = Faults(server)
    server.add("later", "exec sleep 1000", status="stop", restart="always", restart_delay_ms=10, restart_delay_max_ms=20)
    server.start(env=faults.environment())
    with server.connect() as connection:
        connection.call("system.ping")
        with faults.failing("fd", "EMFILE"):
            connection.call("service.start", {"name": "later"})
            server.says("later: starting -> failed", "(try 4)", timeout=20)
            assert "(try 2)" in server.diagnostics() and "(try 3)" not in server.diagnostics()
    server.wait_state("later", "running", timeout=20)
