# SPDX-License-Identifier: Apache-2.0
"""Killing the server at each of its system calls, before it and after it: test/soak/kill_at.c counts and kills."""
import struct

from . import processes
from .killing import RUN, UP_AND_DOWN, patiently
from .rpc import RpcError
from .server import binary
from .wait import wait_for

# The keeper starts this in place of the server. The plan counts for one server.
WRAPPER = """#!/bin/sh
plan=$(cat {plan})
: > {plan}
case $plan in
"") exec {server} "$@" ;;
*) exec {kill_at} {counts} "$plan" {server} "$@" ;;
esac
"""


class Scenario:
    """One keeper for all; two services that are started and stopped at each point, one that must not notice."""

    def __init__(self, server):
        self.server = server
        self.plan = server.dir / "plan"
        self.counts = server.dir / "counts"
        self.rounds = 0
        self.plan_now = None
        self.rest = {"a": "inactive", "b": "inactive"}
        wrapper = server.dir / "wrapper"
        wrapper.write_text(WRAPPER.format(plan=self.plan, counts=self.counts, server=binary("zinit-server"), kill_at=binary("kill_at")))
        wrapper.chmod(0o755)
        self.plan.write_text("")
        self.wrapper = wrapper
        self.runs = {name: server.dir / f"runs-{name}" for name in "ab"}
        for path in self.runs.values():
            path.write_text("0\n")
        server.add("keep", "exec sleep 1000002")
        server.add("a", UP_AND_DOWN, status="stop", stop_timeout_ms=5000, env={"FILE": str(self.runs["a"])})
        server.add("b", RUN + "echo up $n; exec sleep 1004", status="stop", pre_start=["true"], post_stop=["echo post"],
                   env={"FILE": str(self.runs["b"])})

    def start(self):
        command = self.server.command()
        self.server.command = lambda *arguments: [str(binary("zinit-keeper")), "--", str(self.wrapper), *command[1:], *arguments]
        self.server.start()
        self.server.wait_state("keep", "running")
        self.pid = self.server.pid("keep")
        _, self.cursor = self.server.transitions(0)

    def ask(self, method, name):
        def once():
            try:
                self.server.rpc(method, {"name": name})
            except RpcError as error:
                if "already" not in error.message:
                    raise
        patiently(once)

    def wait(self, name, states):
        try:
            wait_for(lambda: patiently(lambda: self.server.state(name)) in states, 20)
        except AssertionError:
            why = self.server.cli("why", name).stdout
            raise AssertionError(f"{self.plan_now}: {name} is not {states}: {self.server.status(name)}\n{why}") from None

    def wait_line(self, name, text):
        wait_for(lambda: (lines := patiently(lambda: self.server.log(name, 1))) and lines[-1]["line"] == text, 20,
                 f"{name} printed {text!r}")

    def replace(self, point):
        """A server that is to be killed at that point takes over. Returns its pid."""
        self.plan.write_text(str(point))
        self.plan_now = point
        old = wait_for(self.server.brain)
        processes.kill(old)
        wait_for(lambda: not self.plan.read_text(), 10, "a new server")
        return wait_for(lambda: (pid := self.server.brain()) != old and pid, 10, "a new server")

    def count(self):
        """How many stops the server that is being counted has had so far."""
        return struct.unpack("Q", self.counts.read_bytes())[0]

    def round(self, point):
        """A server that is to be killed at that point takes over and is asked to start and stop. Returns whether it was."""
        self.rounds += 1
        planned = self.replace(point)
        for name in "ab":
            self.ask("service.start", name)
        for name in "ab":
            self.wait(name, ("running",))
            self.wait_line(name, f"up {self.rounds}")
        for name in "ab":
            self.ask("service.stop", name)
        for name in "ab":
            self.wait(name, ("inactive", "exited"))
        self.check(point)
        return self.server.brain() != planned

    def check(self, point):
        server = self.server
        states = patiently(server.all)
        assert states["keep"]["pid"] == self.pid and not any(s["restart_count"] for s in states.values()), (point, states)
        for name in "ab":
            assert int(self.runs[name].read_text()) == self.rounds, f"{point}: {name} ran more than once"
        lines = [e["line"] for e in patiently(lambda: server.log("a", 2))]
        assert lines == [f"up {self.rounds}", f"down {self.rounds}"], (point, lines)
        self.check_events(point)
        left = [c for p in server.leftovers() if (c := processes.command(p)) in ("sleep 1003", "sleep 1004")]
        assert not left, f"{point}: {left}"

    def check_events(self, point):
        """Each change of state was announced once: every event begins where the one before it ended."""
        changes, self.cursor = patiently(lambda: self.server.transitions(self.cursor))
        for name in "ab":
            chain = [(old, new) for service, old, new in changes if service == name]
            broken = [pair for pair in zip(chain, chain[1:]) if pair[0][1] != pair[1][0]]
            states = [old for old, _ in chain] + [chain[-1][1]] if chain else []
            good = not broken and states[:1] == [self.rest[name]] and {"starting", "running", "stopping"} <= set(states)
            assert good, (point, name, chain)
            self.rest[name] = states[-1]

    def points(self):
        """How many stops at system calls a round has, two for each. No two rounds have the very same number."""
        self.round(0)
        return self.count()

    def run(self, points):
        """A round for each point. Returns how many of the servers were killed there."""
        return sum(self.round(point) for point in points)


class Changes(Scenario):
    """Files change, and the server is killed while it applies them: it is all done, or nothing."""

    GOOD = "exec sleep {n}"

    def write(self, n):
        """Version `n` of all files: one needs a restart, one changes live, one comes or goes, one does not come up."""
        add = self.server.add
        add("a", self.GOOD.format(n=10000 + n))
        add("b", "exec sleep 1004", max_restarts=100 + n)
        add("d", "exit 9" if n else "exec sleep 1005", env={"N": str(n)})
        if n % 2:
            add("c", "exec sleep 1006")
        else:
            (self.server.services / "c.toml").unlink(missing_ok=True)

    def versions(self):
        """What is in force, as the number of the version that each service shows; the bad one by what is on its record."""
        def get(name, section, key):
            return patiently(lambda: self.server.rpc("service.get", {"name": name}))[section][key]

        return [int(get("a", "service", "exec").split()[-1]) - 10000, get("b", "lifecycle", "max_restarts") - 100]

    def settle(self, n):
        """Everything has come to rest; the bad definition is taken back, whoever was in charge."""
        for name in "abd":
            wait_for(lambda: patiently(lambda: self.server.rpc("service.wait", {"name": name, "state": "up", "timeout_ms": 10000}))["ok"], 20,
                     f"{self.plan_now}: {name} is up")
        status = patiently(lambda: self.server.rpc("service.status", {"name": "d"}))
        assert "code 9" in (status["undone"] or ""), (self.plan_now, status)
        assert patiently(lambda: self.server.rpc("service.get", {"name": "d"}))["service"]["exec"] == "exec sleep 1005"
        wait_for(lambda: ("c" in patiently(self.server.all)) == bool(n % 2), 20, f"{self.plan_now}: c comes or goes")

    def apply(self, n):
        """Write version `n` and apply it. Returns whether the server said that it did."""
        self.write(n)
        try:
            self.server.rpc("config.apply")
            return True
        except (OSError, EOFError):
            return False

    def start(self):
        self.write(0)
        super().start()
        for name in "abd":
            self.server.wait_state(name, "running")

    def round(self, point):
        self.rounds += 1
        n = self.rounds
        planned = self.replace(point)
        wait_for(self.server.answers, 10, "the server answers")
        if self.apply(n):
            self.settle(n)
        else:
            wait_for(lambda: patiently(self.server.answers), 10, "a new server answers")
            for name in "abd":  # a definition that waits for the end of a process is not in force yet
                patiently(lambda: self.server.rpc("service.wait", {"name": name, "timeout_ms": 10000}))
        found = self.versions()
        assert found in ([n, n], [n - 1, n - 1]), (point, n, found)
        if found != [n, n]:
            patiently(lambda: self.apply(n) or None)
        self.settle(n)
        assert self.versions() == [n, n]
        assert patiently(self.server.all)["keep"]["pid"] == self.pid
        return self.server.brain() != planned

    def points(self):
        """The stops that lie within an apply: from the request to its answer."""
        self.rounds += 1
        self.replace(0)
        wait_for(self.server.answers, 10, "the server answers")
        self.write(self.rounds)
        first = self.count()
        self.server.rpc("config.apply")
        last = self.count()
        self.settle(self.rounds)
        return range(first, last + 1)
