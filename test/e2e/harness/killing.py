# SPDX-License-Identifier: Apache-2.0
"""Killing the server again and again under a load whose every line, exit and restart can be told afterwards."""
import random
import signal
import socket
import threading
import time

from . import processes
from .rpc import RpcError
from .wait import wait_for

# The number of a run comes from a file, so that what the services did is known without asking the server.
RUN = 'n=$(($(cat $FILE) + 1)); echo $n > $FILE; '
# The child is born before there is a trap: a TERM that a shell traps between its fork(2) and execve(2) is lost.
UP_AND_DOWN = RUN + "sleep 1003 & trap 'echo down $n; exit 0' TERM; echo up $n; wait"
EXIT_CODES = 7
LIFE_EVERY = 4
DELAY_MS = 150
# How many services of each kind a load has.
FEW = {"counters": 2, "exiters": 3, "probed": 1}
FIFTY = {"counters": 20, "exiters": 14, "probed": 10}


def brain_of(keeper):
    """Pid of the server proper, found fast: there is one zinit-server below the keeper."""
    try:
        children = open(f"/proc/{keeper}/task/{keeper}/children").read().split()
    except OSError:
        return None
    for pid in map(int, children):
        if processes.is_brain(pid):
            return pid
    return None


def patiently(call, timeout=15):
    """Ask until a server answers: what a client sees of a killed one is a closed connection, never a wrong answer."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return call()
        except (OSError, EOFError, socket.timeout):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def consecutive_from_one(values):
    """None, or the first place where the numbers are not 1, 2, 3, …"""
    for i, value in enumerate(values):
        if value != i + 1:
            return f"at {i}: {values[max(0, i - 2):i + 3]}"
    return None


class Load:
    """Services that print, exit, restart and are probed; and a client that starts and stops."""

    def __init__(self, server, counters=2, exiters=3, probed=1):
        self.server = server
        self.counters = [f"count{n}" for n in range(counters)]
        self.exiters = [f"exit{n}" for n in range(exiters)]
        self.probed = ["probed", *(f"probed{n}" for n in range(1, probed))]
        self.end = threading.Event()
        self.problems = []
        self.wished = 0
        self.slowest_stop = 0
        # many share two processors: all together are to print no more than a few can
        pause = 0.02 * max(1, counters / 2)
        count = f"i=0; while :; do i=$((i + 1)); echo $i; [ $((i % 100)) != 0 ] || sleep {pause}; done"
        for name in self.counters:
            server.add(name, count, store=True, buffer_lines=100000)
        for name in self.exiters:
            delay = 20 * max(1, exiters // 3)
            server.add(name, "trap '' TERM; " + RUN + f"echo $n; sleep 0.0$((n % 4)); exit $((n % {EXIT_CODES} + 1))", restart="always",
                       env={"FILE": self.file(name)}, restart_delay_ms=delay, restart_delay_max_ms=2 * delay, restart_jitter=0,
                       max_restarts=1000000, store=True)
        for name in self.probed:
            interval = 100 * max(1, probed // 2)
            server.add(name, "exec sleep 1001",
                       health={"type": "exec", "target": "sleep 0.05; : probe-of-probed", "interval_ms": interval, "timeout_ms": 2000})
        # well at first, then ill for good; `mark` lets it live
        server.add("ill", "exec sleep 1008",
                   health={"type": "exec", "target": f"test ! -e {self.file('ill')}", "interval_ms": 200, "on_failure": "mark", "retries": 1})
        server.add("delayed", "echo up $(date +%s%N); exit 1", restart="always", restart_delay_ms=DELAY_MS, restart_delay_max_ms=DELAY_MS,
                   restart_jitter=0, max_restarts=1000000, store=True, stability_period_ms=3600000)
        server.add("toggled", UP_AND_DOWN,
                   env={"FILE": self.file("toggled")}, status="stop", stop_timeout_ms=5000)
        server.add("once", RUN + f"echo $n; exit $((n % {EXIT_CODES}))", oneshot=True, restart="never", status="stop",
                   env={"FILE": self.file("once")})
        # what remains of it is killed when its time is over, whoever asked for the stop
        server.add("deaf", "trap '' TERM; " + RUN + "echo up $n; sleep 1009; sleep 1009", status="stop", stop_timeout_ms=300,
                   env={"FILE": self.file("deaf")})
        for name in [*self.exiters, "toggled", "once", "deaf"]:
            open(self.file(name), "w").write("0\n")

    def file(self, name):
        return str(self.server.dir / f"runs-{name}")

    def runs(self, name):
        return int(open(self.file(name)).read() or 0)

    def start(self):
        self.server.start()
        steady = [*self.counters, *self.probed]
        for name in [*steady, "ill"]:
            self.server.wait_state(name, "running")
        open(self.file("ill"), "w").close()
        wait_for(lambda: self.server.status("ill").get("health") == "unhealthy", 20, "the checks of the ill one fail")
        self.pids = {name: self.server.pid(name) for name in [*steady, "ill"]}
        self.client = threading.Thread(target=self.ask)
        self.client.start()

    def ask(self):
        """Start and stop; each wish is repeated until it is answered, and must then be reached."""
        try:
            while not self.end.is_set():
                self.wish("service.start", "toggled", ("running",))
                self.wished += 1
                self.wait_last_line("toggled", f"up {self.wished}")
                self.wish("service.stop", "toggled", ("inactive", "exited"))
                self.wish("service.start", "once", ("exited", "failed"))
                self.check_once()
                self.pending_stop()
                self.come_and_go()
        except Exception as error:  # told by check(), in the main thread
            self.problems.append(f"the client: {error!r}")

    def wish(self, method, name, states):
        def ask():
            try:
                self.server.rpc(method, {"name": name})
            except RpcError as error:
                if "already" not in error.message:
                    raise
        patiently(ask)
        try:
            wait_for(lambda: patiently(lambda: self.server.state(name)) in states, 20)
        except AssertionError:
            why = patiently(lambda: self.server.status(name))
            raise AssertionError(f"{name} is not {states}: {why}\n{self.server.why(name)}") from None

    def check_once(self):
        """The exit code of each run is the one that it ended with."""
        status = patiently(lambda: self.server.status("once"))
        runs = self.runs("once")
        assert status["exit_code"] == runs % EXIT_CODES and (status["state"] == "exited") == (runs % EXIT_CODES == 0), (runs, status)

    def pending_stop(self):
        """A stop that has to wait for its time-out is not forgotten, nor does the time begin anew with each server."""
        self.wish("service.start", "deaf", ("running",))
        self.wait_last_line("deaf", f"up {self.wished}")
        began = time.monotonic()
        self.wish("service.stop", "deaf", ("inactive", "exited", "failed"))
        took = time.monotonic() - began
        assert took >= 0.29, f"killed after {took:.3f} s"
        self.slowest_stop = max(self.slowest_stop, took)

    def come_and_go(self):
        """A service is added, changed while it runs, and removed, each by a reload."""
        for word in ("first", "second"):
            self.server.add("guest", f"echo {word} {self.wished}; exec sleep 1007")
            patiently(lambda: self.server.rpc("service.reload"))
            self.wait_last_line("guest", f"{word} {self.wished}")
        (self.server.services / "guest.toml").unlink()
        patiently(lambda: self.server.rpc("service.reload"))
        wait_for(lambda: "guest" not in patiently(self.server.all), 20, "the guest is gone")

    def wait_last_line(self, name, text):
        wait_for(lambda: self.last_line(name) == text, 20, f"{name} printed {text!r}")

    def last_line(self, name):
        try:
            lines = patiently(lambda: self.server.log(name, 1))
        except RpcError:  # it is not there yet
            return None
        return lines[-1]["line"] if lines else None

    def kill(self, rng, longest=0.25):
        """One kill at a random instant: in the middle of the load, or of the start of the server."""
        time.sleep(rng.random() ** 2 * longest)
        pid = wait_for(lambda: brain_of(self.server.keeper), 10, "a server")
        processes.kill(pid)

    def raw(self, name):
        """All that is on disk and in memory, as a user gets it."""
        out = self.server.cli("logs", "--output", "raw", "-n", "100000000", name)
        assert out.returncode == 0, out.stderr
        return [int(line) for line in out.stdout.split("\n") if line]

    def check(self):
        """Everything comes to rest, then every number is looked at."""
        self.end.set()
        self.client.join(60)
        assert not self.client.is_alive() and not self.problems, self.problems
        patiently(lambda: self.server.rpc("system.ping"))
        server = self.server
        for name, pid in self.pids.items():
            assert server.pid(name) == pid and server.restarts(name) == 0, f"{name} was touched"
        for name in self.exiters:
            restarts = wait_for(lambda: (s := server.status(name))["state"] != "starting" and s["restart_count"], 10)
            assert restarts > 1
            server.cli("stop", name)
            runs = self.runs(name)
            status = server.status(name)
            # the stop may have been faster than the last run's trap
            uncounted = status["exit_signal"] == signal.SIGTERM
            assert status["restart_count"] == runs - 1 + uncounted, f"{name}: {runs} runs, {status}"
            gap = consecutive_from_one(self.raw(name))
            assert not gap and len(self.raw(name)) == runs, f"{name}: {gap or 'lines of the last runs'}, {runs} runs"
        for name in self.counters:
            assert server.cli("stop", name).returncode == 0
            gap = consecutive_from_one(self.raw(name))
            assert not gap, f"{name}: {gap}"
        self.check_delays()
        lines = server.lines("toggled")
        expected = [f"{word} {n}" for n in range(1, self.wished + 1) for word in ("up", "down")]
        assert lines == expected[-len(lines):] and self.runs("toggled") == self.wished, (self.runs("toggled"), self.wished)
        assert self.runs("once") == len(server.lines("once"))
        for name in self.probed:
            assert server.state(name) == "running" and server.status(name).get("health") in (None, "healthy")
        assert server.status("ill")["health"] == "unhealthy" and server.state("ill") == "running"
        guests = {p for p in server.leftovers() if processes.command(p) == "sleep 1007"}
        assert not guests, guests
        probes = [p for p in server.leftovers() if "probe-of-probed" in processes.command(p)]
        assert len(probes) <= 2 * len(self.probed), [processes.command(p) for p in probes]


    def check_delays(self):
        """No restart came before its time, however often the server that had to wait for it died."""
        self.server.cli("stop", "delayed")
        out = self.server.cli("logs", "--output", "raw", "-n", "100000000", "delayed").stdout
        times = [int(line.split()[1]) for line in out.splitlines() if line.startswith("up ")]
        gaps = [(b - a) / 1e6 for a, b in zip(times, times[1:])]
        assert gaps and min(gaps) >= DELAY_MS - 2, min(gaps)
        status = self.server.status("delayed")
        # the stop may have come before the last run's line
        silent = status["restart_count"] + 1 - len(times)
        assert silent == 0 or (silent == 1 and status["exit_signal"] == signal.SIGTERM), (len(times), status)


def run(server, kills, seed, services):
    """The whole: load, kills, checks."""
    rng = random.Random(seed)
    load = Load(server, **services)
    load.start()
    try:
        for n in range(kills):
            # servers that never get ready come at growing intervals: let one live long enough now and then
            if n % LIFE_EVERY == 0:
                patiently(lambda: server.rpc("system.ping"), 60)
            load.kill(rng)
            assert server.process.poll() is None, f"the keeper ended: {server.process.returncode}"
    finally:
        load.end.set()
        load.client.join(60)
    load.check()
