# SPDX-License-Identifier: Apache-2.0
"""What happens after a service ends by itself, or can't be spawned at all."""
import os
import time

import pytest
from harness import processes
from harness.wait import stays, wait_for


def starts(server, name):
    """Wall-clock seconds of each start, by the line `up` that the service prints first."""
    return [entry["timestamp"] / 1e9 for entry in server.log(name) if entry["line"] == "up"]


def test_limit_of_restarts(server):
    """Acceptance 6: exactly 3 restarts, then failed with a reason; a manual start works at once and resets the count."""
    server.add("web", "echo up; exit 1", restart="on-failure", max_restarts=3, restart_delay_ms=20, restart_jitter=0)
    server.start()
    wait_for(lambda: len(starts(server, "web")) == 4 and server.state("web") == "failed")
    stays(lambda: len(starts(server, "web")) == 4, 0.5)
    assert server.restarts("web") == 3
    assert "3" in server.why("web") and "1" in server.why("web")
    server.rpc("service.start", {"name": "web"})
    wait_for(lambda: len(starts(server, "web")) == 8)


@pytest.mark.timing
def test_delay_doubles_up_to_the_cap(server):
    server.add("web", "echo up; exit 1", restart="always", restart_delay_ms=100, restart_delay_max_ms=400, restart_jitter=0)
    server.start()
    wait_for(lambda: len(starts(server, "web")) >= 6)
    times = starts(server, "web")[:6]
    delays = [b - a for a, b in zip(times, times[1:])]
    for delay, wanted in zip(delays, (0.1, 0.2, 0.4, 0.4, 0.4)):
        assert wanted - 0.005 <= delay <= wanted + 0.15, delays


@pytest.mark.timing
def test_stable_run_resets_the_delay(server):
    """Acceptance 7: crash loop, then healthy for the stability period, then one crash: the delay is the initial one."""
    count = server.dir / "count"
    server.add("web", f"echo up; echo x >> {count}; [ $(wc -l < {count}) -eq 5 ] && sleep 0.6; exit 1", restart="always",
               restart_delay_ms=100, restart_delay_max_ms=5000, stability_period_ms=400, restart_jitter=0)
    server.start()
    wait_for(lambda: len(starts(server, "web")) >= 6, 15)
    times = starts(server, "web")
    assert times[4] - times[3] >= 0.79
    assert times[5] - times[4] <= 0.6 + 0.1 + 0.2


@pytest.mark.parametrize("policy, code, again", [
    ("always", 0, True), ("always", 1, True), ("on-failure", 0, False), ("on-failure", 1, True), ("never", 1, False),
])
def test_policies(server, policy, code, again):
    server.add("web", f"echo up; exit {code}", restart=policy, restart_delay_ms=20, restart_jitter=0)
    server.start()
    server.wait_line("web", "up")
    if again:
        wait_for(lambda: len(starts(server, "web")) >= 3)
    else:
        server.wait_state("web", "exited" if code == 0 else "failed")
        stays(lambda: len(starts(server, "web")) == 1, 0.3)


def test_stop_during_backoff(server):
    """Acceptance 9: inactive at once, and no later start."""
    server.add("web", "echo up; exit 1", restart="always", restart_delay_ms=700, restart_jitter=0)
    server.start()
    server.wait_line("web", "up")
    wait_for(lambda: not server.pid("web"))
    began = time.monotonic()
    assert server.cli("stop", "web").returncode == 0
    assert time.monotonic() - began < 0.6
    count = len(starts(server, "web"))
    stays(lambda: len(starts(server, "web")) == count, 1.0)
    assert server.state("web") in ("inactive", "exited", "failed")


SPAWN = {
    "command missing": (dict(exec=["/no/such/program"]), ["exec", "No such file or directory", "/no/such/program"]),
    "not executable": (dict(exec=["/etc/passwd"]), ["exec", "Permission denied", "/etc/passwd"]),
    "directory missing": (dict(exec="true", dir="/no/such/dir"), ["dir", "No such file or directory", "/no/such/dir"]),
    "user missing": (dict(exec="true", user="nosuchuser"), ["nosuchuser"]),
    "command of sh missing": (dict(exec="nosuchcommand --here"), ["nosuchcommand", "No such file or directory"]),
    "command of sh not executable": (dict(exec="/etc/passwd"), ["/etc/passwd", "Permission denied"]),
}


@pytest.mark.parametrize("case", SPAWN)
def test_spawn_errors_name_stage_and_errno(server, case):
    """Acceptance 10: a typed error with stage and errno; no restart storm."""
    keys, words = SPAWN[case]
    server.add("web", restart="always", restart_delay_ms=200, restart_jitter=0, **keys)
    server.add("canary", "exec sleep 1000")
    server.start()
    server.wait_state("canary", "running")
    wait_for(lambda: all(word in server.why("web") for word in words), 5, f"why names {words}: {server.why('web')}")
    before = processes.cpu_seconds(server.brain())
    stays(lambda: server.state("canary") == "running", 0.5)
    assert processes.cpu_seconds(server.brain()) - before < 0.4
    assert server.restarts("web") <= 5


def test_spawn_error_goes_away(server):
    """The program appears: the next try succeeds."""
    program = server.dir / "late"
    server.add("web", [str(program)], restart="always", restart_delay_ms=100, restart_delay_max_ms=100, restart_jitter=0)
    server.start()
    wait_for(lambda: "No such file" in server.why("web"))
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    os.chmod(program, 0o755)
    if server.state("web") == "failed" and not server.status("web").get("restart_pending"):
        server.rpc("service.start", {"name": "web"})
    server.wait_state("web", "running")


@pytest.mark.timing
def test_restart_without_delay_is_quick(server):
    server.add("web", "exec sleep 1000", restart="always", restart_delay_ms=0)
    server.start()
    pid = server.wait_pid("web")
    began = time.monotonic()
    processes.kill(pid)
    server.wait_pid("web", other_than=pid)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("choice", ["keep", "stop", "restart"])
def test_dependents_of_a_crashed_service(server, choice):
    """What becomes of those that require a service that ends by itself is theirs to say."""
    server.add("db", "exec sleep 1000", restart="always", restart_delay_ms=20)
    server.add("web", "exec sleep 1000", requires=["db"], on_dependency_crash=choice)
    server.add("top", "exec sleep 1000", requires=["web"])
    server.start()
    before = {name: server.wait_pid(name) for name in ("db", "web", "top")}
    processes.kill(before["db"])
    server.wait_pid("db", other_than=before["db"])
    if choice == "keep":
        stays(lambda: (server.pid("web"), server.pid("top")) == (before["web"], before["top"]), 0.3)
    elif choice == "restart":
        server.wait_pid("web", other_than=before["web"])
        server.wait_pid("top", other_than=before["top"])
    else:
        server.wait_state("web", "exited")
        server.wait_state("top", "exited")  # a stop takes along what requires it, as if it had been asked for
        assert "'db', which it requires, crashed" in server.why("top")
        assert server.state("db") == "running"


@pytest.mark.parametrize("status", ["stop", "ignore"])
def test_what_was_started_by_hand_only_is_not_kept_up(server, status):
    """status = "stop" or "ignore": a request starts it, and nothing else does."""
    server.add("web", "echo up; exit 1", status=status, restart="always", restart_delay_ms=20)
    server.start()
    server.rpc("service.start", {"name": "web"})
    server.wait_state("web", "failed")
    stays(lambda: len(starts(server, "web")) == 1, 0.3)


def test_a_oneshot_is_done_once(server):
    """As in zinit 0.3.9, unless its file says otherwise."""
    server.add("step", "echo up; exit 1", oneshot=True, restart_delay_ms=20)
    server.add("again", "echo up; exit 1", oneshot=True, restart_delay_ms=20, restart="on-failure", max_restarts=2)
    server.start()
    wait_for(lambda: len(starts(server, "again")) == 3)
    server.wait_state("step", "failed")
    assert len(starts(server, "step")) == 1


def test_stop_of_what_has_failed(server):
    """It is down, and says no more than that; what it left behind is ended first."""
    server.add("alone", "exit 3", restart="never")
    server.add("parent", "sleep 1007 & exit 3", restart="never")
    server.add("needs", "exec sleep 1000", requires=["nobody"])
    server.start()
    for name in ("alone", "parent", "needs"):
        server.wait_state(name, "failed")
        assert server.cli("stop", name).returncode == 0
    assert [server.state(name) for name in ("alone", "parent", "needs")] == ["inactive", "inactive", "inactive"]
    assert not [p for p in server.leftovers() if processes.command(p) == "sleep 1007"]
