# SPDX-License-Identifier: Apache-2.0
"""Killing the server at each of its system calls: strace sends the SIGKILL at the n-th call of a kind."""
import collections
import re

from . import processes
from .killing import RUN, UP_AND_DOWN, patiently
from .rpc import RpcError
from .server import binary
from .wait import wait_for

# The keeper starts this in place of the server. The plan counts for one server; strace is no parent of it (-D).
WRAPPER = """#!/bin/sh
plan=$(cat {plan})
: > {plan}
case $plan in
"") exec {server} "$@" ;;
record) exec strace -D -qq -o {record} {server} "$@" ;;
*) exec strace -D -qq -o /dev/null -e inject="$plan" {server} "$@" ;;
esac
"""
# Calls after which nothing is left to do differently: the process is about to end, or is about to become the server.
SKIPPED = {"execve", "exit_group", "exit", "restart_syscall", "rt_sigreturn"}


class Scenario:
    """One keeper for all; two services that are started and stopped at each point, one that must not notice."""

    def __init__(self, server):
        self.server = server
        self.plan = server.dir / "plan"
        self.record = server.dir / "record"
        self.rounds = 0
        self.plan_now = None
        wrapper = server.dir / "wrapper"
        wrapper.write_text(WRAPPER.format(plan=self.plan, record=self.record, server=binary("zinit-server")))
        wrapper.chmod(0o755)
        self.plan.write_text("")
        self.wrapper = wrapper
        self.runs = {name: server.dir / f"runs-{name}" for name in "ab"}
        for path in self.runs.values():
            path.write_text("0\n")
        server.add("keep", "exec sleep 1002")
        server.add("a", UP_AND_DOWN, status="stop", stop_timeout_ms=5000, env={"FILE": str(self.runs["a"])})
        server.add("b", RUN + "echo up $n; exec sleep 1004", status="stop", pre_start=["true"], post_stop=["echo post"],
                   env={"FILE": str(self.runs["b"])})

    def start(self):
        command = self.server.command()
        self.server.command = lambda *arguments: [str(binary("zinit-keeper")), "--", str(self.wrapper), *command[1:], *arguments]
        self.server.start()
        self.server.wait_state("keep", "running")
        self.pid = self.server.pid("keep")

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

    def round(self, plan):
        """A server with that plan takes over and is asked to start and stop. Returns whether it was killed on the way."""
        self.rounds += 1
        self.plan.write_text(plan)
        self.plan_now = plan
        old = wait_for(self.server.brain)
        processes.kill(old)
        wait_for(lambda: not self.plan.read_text(), 10, "a new server")
        planned = wait_for(lambda: (pid := self.server.brain()) != old and pid, 10, "a new server")
        for name in "ab":
            self.ask("service.start", name)
        for name in "ab":
            self.wait(name, ("running",))
            self.wait_line(name, f"up {self.rounds}")
        for name in "ab":
            self.ask("service.stop", name)
        for name in "ab":
            self.wait(name, ("inactive", "exited"))
        self.check(plan)
        return self.server.brain() != planned

    def check(self, plan):
        server = self.server
        states = patiently(server.all)
        assert states["keep"]["pid"] == self.pid and not any(s["restart_count"] for s in states.values()), (plan, states)
        for name in "ab":
            assert int(self.runs[name].read_text()) == self.rounds, f"{plan}: {name} ran more than once"
        lines = [e["line"] for e in patiently(lambda: server.log("a", 2))]
        assert lines == [f"up {self.rounds}", f"down {self.rounds}"], (plan, lines)
        left = [c for p in server.leftovers() if (c := processes.command(p)) in ("sleep 1003", "sleep 1004")]
        assert not left, f"{plan}: {left}"

    def points(self):
        """All (system call, n) of the server's main thread in a round."""
        self.round("record")
        counts = collections.Counter()
        for line in self.record.read_text(errors="replace").splitlines():
            if match := re.match(r"([a-z_0-9]+)\(", line):
                counts[match[1]] += 1
        return [(name, n) for name, count in sorted(counts.items()) if name not in SKIPPED for n in range(1, count + 1)]
