# SPDX-License-Identifier: Apache-2.0
"""Services run, with what their file says; start, stop, restart, kill; dependencies and order."""
import os
import signal

import pytest
from harness import processes
from harness.rpc import RpcError
from harness.wait import stays, wait_for

SLEEP = "exec sleep 1000"


def stamps(server, name, text):
    """Timestamps of the lines of `name` that hold `text`."""
    return [entry["timestamp"] for entry in server.log(name) if text in entry["line"]]


def test_shell_and_argv(server):
    server.add("shell", 'echo "two words" $((40 + 2)); exec sleep 1000')
    server.add("argv", ["/bin/echo", "two  words", "$HOME", "*"], oneshot=True, restart="never")
    server.start()
    assert server.wait_line("shell", "two words 42")
    assert server.wait_line("argv", "two") == "two  words $HOME *"
    server.wait_state("argv", "exited")
    assert server.status("argv")["exit_code"] == 0


def test_environment_and_directory(server):
    server.add("web", 'pwd; echo "$GREETING/$INHERITED"; exec sleep 1000', dir="/usr", env={"GREETING": "héllo $x"})
    server.start(env={"INHERITED": "from the server", "GREETING": "overridden"})
    server.wait_line("web", "héllo")
    assert server.lines("web") == ["/usr", "héllo $x/from the server"]


def test_clean_start_conditions(server):
    """Own process group, no signal blocked or ignored, no descriptor but the three."""
    server.add("web", "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; "
                      "umask; exec sleep 1000")
    server.start()
    server.wait_line("web", "00", 10)
    pid = server.wait_pid("web")
    assert int(processes.stat(pid)[2]) == pid
    wait_for(lambda: len(server.lines("web")) == 5)
    lines = server.lines("web")
    assert lines[0].split()[1] == lines[1].split()[1] == "0" * 16
    assert lines[2] == "4"  # ls itself holds the directory open
    assert lines[3] == "/dev/null"


def test_services_are_children_of_the_keeper(server):
    server.add("web", SLEEP)
    server.start()
    assert int(processes.stat(server.wait_pid("web"))[1]) == server.keeper


def test_start_stop_restart(server):
    server.add("web", SLEEP)
    server.start()
    server.wait_state("web", "running")
    first = server.pid("web")
    assert server.cli("stop", "web").returncode == 0
    assert server.state("web") in ("exited", "inactive")
    assert not processes.alive(first)
    assert server.cli("start", "web").returncode == 0
    second = server.pid("web")
    assert second and second != first and server.state("web") == "running"
    assert server.cli("restart", "web").returncode == 0
    assert server.pid("web") not in (0, first, second)
    assert not processes.alive(second)


def test_status_stop_is_not_started(server):
    server.add("idle", SLEEP, status="stop")
    server.add("busy", SLEEP)
    server.start()
    server.wait_state("busy", "running")
    assert server.state("idle") == "inactive"
    assert server.cli("start", "idle").returncode == 0
    assert server.state("idle") == "running"


@pytest.mark.parametrize("name, arguments", [("TERM", []), ("KILL", ["SIGKILL"]), ("USR1", ["usr1"]), ("INT", ["2"])])
def test_kill(server, name, arguments):
    server.add("web", SLEEP, restart="never")
    server.start()
    server.wait_state("web", "running")
    assert server.cli("kill", "web", *arguments).returncode == 0
    server.wait_state("web", "failed", "exited")
    assert server.status("web")["exit_signal"] == getattr(signal, f"SIG{name}")


def test_exit_code_and_signal_are_told(server):
    server.add("code", "exit 7", restart="never")
    server.add("signal", "kill -SEGV $$", restart="never")
    server.start()
    server.wait_state("code", "failed")
    server.wait_state("signal", "failed")
    assert server.status("code")["exit_code"] == 7
    assert "7" in server.why("code")
    assert server.status("signal")["exit_signal"] == signal.SIGSEGV
    assert "SIGSEGV" in server.why("signal")


def test_group_is_killed_when_it_ignores_the_stop_signal(server):
    """Acceptance 1: the leader leaves on TERM, a child in its group does not."""
    server.add("web", "(trap '' TERM; echo child; while :; do sleep 1; done) & trap 'exit 0' TERM; while :; do wait; done",
               stop_timeout_ms=300)
    server.start()
    server.wait_line("web", "child")
    group = server.pid("web")
    assert server.cli("stop", "web").returncode == 0
    left = [pid for pid in processes.all_pids() if (f := processes.stat(pid)) and int(f[2]) == group and processes.alive(pid)]
    assert left == []


@pytest.mark.timing
def test_stop_timeout(server):
    """Acceptance 3: KILL at the time-out, with a reason, and the next start works."""
    server.add("web", "trap '' TERM; echo ready; while :; do sleep 60; done", stop_timeout_ms=1000)
    server.start()
    server.wait_line("web", "ready")
    import time
    began = time.monotonic()
    server.cli("stop", "web")
    assert 0.9 <= time.monotonic() - began <= 1.5
    assert "stop" in server.why("web") and "time" in server.why("web")
    assert server.cli("start", "web").returncode == 0
    assert server.state("web") == "running"


def test_required_oneshot_runs_first(server):
    server.add("prepare", "sleep 0.2; echo prepared", oneshot=True, restart="never")
    server.add("web", f"echo up; {SLEEP}", requires=["prepare"])
    server.start()
    server.wait_line("web", "up")
    assert stamps(server, "prepare", "prepared")[0] < stamps(server, "web", "up")[0]


def test_dependent_waits_until_its_dependency_is_healthy(server):
    flag = server.dir / "ready"
    server.add("db", SLEEP, health={"type": "exec", "target": f"test -e {flag}", "interval_ms": 50, "retries": 1000})
    server.add("web", SLEEP, requires=["db"])
    server.start()
    server.wait_state("db", "starting")
    server.wait_state("web", "blocked")
    stays(lambda: server.state("web") == "blocked", 0.3)
    assert "db" in server.why("web")
    flag.touch()
    server.wait_state("web", "running")


def test_dependent_of_one_that_fails_first(server):
    """Acceptance 12: a fails three times, then succeeds: b starts exactly once, after a."""
    count = server.dir / "count"
    server.add("a", f"echo x >> {count}; [ $(wc -l < {count}) -gt 3 ] || exit 1", oneshot=True, restart="on-failure",
               restart_delay_ms=20, restart_jitter=0, max_restarts=0)
    server.add("b", f"echo started; {SLEEP}", requires=["a"])
    server.start()
    server.wait_state("b", "running")
    assert count.read_text().count("x") == 4
    server.wait_line("b", "started")
    assert server.lines("b") == ["started"]
    assert server.restarts("b") == 0


def test_stop_cascades_in_order(server):
    """Acceptance 13: c, b, a stop in that order, each waiting for the former to be gone."""
    loop = "trap 'sleep 0.1; echo gone; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    server.add("a", loop)
    server.add("b", loop, requires=["a"])
    server.add("c", loop, requires=["b"])
    server.start()
    for name in "abc":
        server.wait_line(name, "up")
    assert server.cli("stop", "a").returncode == 0
    gone = [stamps(server, name, "gone")[0] for name in "cba"]
    assert gone == sorted(gone)
    ms100 = 90_000_000
    assert gone[1] - gone[0] >= ms100 and gone[2] - gone[1] >= ms100


def test_shutdown_is_in_order(server):
    log = server.dir / "order"
    for name, needs in (("a", []), ("b", ["a"]), ("c", ["b"])):
        server.add(name, f"trap 'echo {name} >> {log}; exit 0' TERM; echo up; while :; do sleep 0.02; done", requires=needs)
    server.start()
    server.wait_line("c", "up")
    assert server.shutdown() == 0
    assert log.read_text().split() == ["c", "b", "a"]


def test_target(server):
    server.add("one", SLEEP)
    server.add("two", SLEEP)
    server.add("all", target=True, requires=["one", "two"])
    server.start()
    server.wait_state("all", "running")
    assert server.state("one") == server.state("two") == "running"
    assert not server.pid("all")


def test_root_cause_behind_a_target(server):
    """Acceptance 16: b requires a target whose member fails: `why b` names the member."""
    server.add("member", "exit 3", oneshot=True, restart="never")
    server.add("group", target=True, requires=["member"])
    server.add("b", SLEEP, requires=["group"])
    server.start()
    server.wait_state("member", "failed")
    wait_for(lambda: server.state("b") in ("failed", "blocked"))
    assert "member" in server.why("b") and "3" in server.why("b")


def test_unknown_service(server):
    server.start()
    for verb in ("start", "stop", "restart", "status", "why"):
        with pytest.raises(RpcError) as caught:
            server.rpc(f"service.{verb}", {"name": "ghost"})
        assert caught.value.code == -32000, verb
        assert "ghost" in caught.value.message


def test_hundred_services(server):
    for n in range(100):
        server.add(f"s{n:03}", SLEEP)
    server.start()
    wait_for(lambda: sum(s["state"] == "running" for s in server.all().values()) == 100, 20)
    pids = {s["pid"] for s in server.all().values()}
    assert len(pids) == 100 and all(map(processes.alive, pids))
    assert server.shutdown() == 0
    assert not any(map(processes.alive, pids))


def test_bulk_of_commands_ends_in_the_last_wish(server):
    """Acceptance 9: start and stop in any number while one is pending: one instance, final state = last command."""
    server.add("web", SLEEP, restart_delay_ms=10)
    server.start()
    server.wait_state("web", "running")
    with server.connect() as connection:
        for n in range(200):
            try:
                connection.call(["service.stop", "service.start", "service.restart"][n % 3], {"name": "web"})
            except RpcError as refused:
                assert refused.code in (-32002, -32003, -32009), refused
        connection.call("service.stop", {"name": "web", "wait": True})
    assert server.state("web") in ("exited", "inactive")
    assert processes.marked(server.marker.encode() + b"\0") is not None
    server.cli("start", "web")
    server.wait_state("web", "running")
    mine = [p for p in processes.children(server.keeper) if processes.command(p) == "sleep 1000"]
    assert mine == [server.pid("web")]


def test_orphans_are_reaped(server):
    """Acceptance 5: unknown zombies below a service are gone within a second, its accounting untouched."""
    server.add("web", "for i in 1 2 3 4 5; do (sleep 0.1 & exec true) & done; wait; echo done; exec sleep 1000")
    server.start()
    server.wait_line("web", "done")
    pid = server.pid("web")
    wait_for(lambda: all(processes.stat(p)[0] != "Z" for p in processes.children(server.keeper) if processes.stat(p)), 3)
    assert server.pid("web") == pid and server.state("web") == "running" and server.restarts("web") == 0
    assert os.path.exists(f"/proc/{pid}")
