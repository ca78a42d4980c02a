# SPDX-License-Identifier: Apache-2.0
"""Starting under bad conditions: no descriptors, no processes, recycled pids, files and users that are not what they should be."""
import contextlib
import os
import random
import shutil
import time

import pytest
from harness import processes
from harness.rpc import RpcError
from harness.server import BUILD
from harness.wait import stays, wait_for

NOBODY = 65534
ZOO = BUILD / "test/zoo/zoo"
SLEEP = "exec sleep 1000"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may")
# A user of its own: RLIMIT_NPROC counts all processes of a user.
LONELY = 64000 + os.getpid() % 1000
LOOPS = int(os.environ.get("ZINIT_PID_LOOPS", "150"))


def own(server, uid):
    for path in (server.dir, server.services, server.logs):
        os.chown(path, uid, uid)


# --- resources --------------------------------------------------------------------------------------


@needs_root
def test_no_more_processes(server):
    """Acceptance 11: clone fails; retried with delays, no restart is counted, the server stays up, and it comes up when there is room."""
    own(server, LONELY)
    hog = server.dir / "hog"
    hog.write_text("#!/usr/bin/env python3\nimport os, signal, time\nkids = []\n"
                   "try:\n    while len(kids) < 200:\n        pid = os.fork()\n"
                   "        if pid == 0:\n            signal.alarm(60); signal.pause()\n        kids.append(pid)\n"
                   "except OSError:\n    print('full', flush=True)\nsignal.alarm(60)\nsignal.pause()\n")
    hog.chmod(0o755)
    server.add("hog", [str(hog)])
    server.add("web", SLEEP, status="stop", restart="always", restart_delay_ms=50, restart_delay_max_ms=200, max_restarts=2)
    server.start(prefix=("setpriv", "--reuid", str(LONELY), "--regid", str(LONELY), "--clear-groups", "prlimit", "--nproc=60:60"))
    server.wait_line("hog", "full")
    server.rpc("service.start", {"name": "web"})
    why = wait_for(lambda: "Resource temporarily unavailable" in (text := server.why("web")) and text)
    assert "cannot create a process" in why
    # more tries than max_restarts would allow
    stays(lambda: not server.pid("web") and server.answers(), 1.5)
    assert "gave up" not in server.why("web")
    server.cli("stop", "hog")
    server.wait_state("web", "running")
    assert server.pid("web")


def test_no_more_descriptors(server):
    """Acceptance 33: those that do not fit say why, the rest is fine, and they come up when descriptors return."""
    names = [f"s{i:02}" for i in range(40)]
    for name in names:
        server.add(name, SLEEP, restart_delay_ms=50, restart_delay_max_ms=200, restart_jitter=0, max_restarts=2)
    server.start(prefix=("prlimit", "--nofile=96:96"))
    up = wait_for(lambda: (s := {n for n in names if server.all()[n]["state"] == "running"}) and s)
    stays(server.answers, 1.0)
    up = {n for n in names if server.all()[n]["state"] == "running"}
    down = [n for n in names if n not in up]
    assert up and down, f"{len(up)} run"
    assert all("Too many open files" in server.why(name) for name in down), server.why(down[0])
    for name in sorted(up):
        server.rpc("service.delete", {"name": name})
    wait_for(lambda: sum(server.all()[n]["state"] == "running" for n in down) >= min(len(up) - 3, len(down)), 15,
             "those that waited are up")


# --- pids -------------------------------------------------------------------------------------------


@needs_root
@pytest.mark.skipif(not ZOO.is_file(), reason="the zoo is not built")
def test_recycled_pids(server):
    """Acceptance 4: pids wrap all the time, services end in the instant of their stop, and nobody else is ever signalled."""
    zoo = server.dir / "animals"
    shutil.copy(ZOO, zoo)
    zoo.chmod(0o755)
    # each canary lives for some milliseconds, and its pid was another's a moment before
    canaries = server.dir / "canaries"
    canaries.write_text(f"""#!/bin/sh
n=0
while :; do
    said=$(sleep 0.01 | {zoo} canary; echo $?)
    [ "$said" = "$(printf 'ready\\n0')" ] || echo "HIT: $said"
    n=$((n + 1)); [ $((n % 20)) = 0 ] && echo "round $n"
done
""")
    canaries.chmod(0o755)
    for i in range(3):
        server.add(f"canary{i}", [str(canaries)], stop_timeout_ms=500)
    for i in range(3):
        server.add(f"blink{i}", [str(zoo), "ends_at_once"], restart="always", restart_delay_ms=1, restart_jitter=0,
                   stop_timeout_ms=1000)
    server.start(prefix=("unshare", "-p", "-f", "--mount-proc", "sh", "-c",
                         'echo 400 > /proc/sys/kernel/pid_max || exit 99; "$@"; exit $?', "-"))
    with open("/proc/sys/kernel/pid_max") as f:
        if int(f.read()) == 400:
            pytest.fail("the test changed the machine's pid_max")
    seen = set()
    dice = random.Random(4)
    with server.connect(20) as connection:
        for turn in range(LOOPS):
            name = f"blink{turn % 3}"
            connection.call("service.start", {"name": name})
            time.sleep(dice.random() * 0.01)
            if turn % 4 == 0:
                with contextlib.suppress(RpcError):
                    connection.call("service.kill", {"name": name, "signal": dice.choice(["TERM", "KILL", "USR1"])})
            answer = connection.call("service.stop", {"name": name, "wait": True, "timeout_ms": 10000})
            assert answer["ok"], answer
            seen.add(server.rpc("service.status", {"name": "canary0"})["pid"])
    for i in range(3):
        assert not [line for line in server.lines(f"canary{i}") if "HIT" in line]
        assert server.restarts(f"canary{i}") == 0
    assert len(seen) == 1
    assert max(len(server.lines(f"canary{i}")) for i in range(3)) > 1, "the canaries lived"


def test_zombies_below_a_service(server):
    """Acceptance 5: strangers that the server inherits are reaped within a second; the service does not notice."""
    server.add("web", "for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'sleep 0.1' & ) ; done; echo done; exec sleep 1000")
    server.start()
    server.wait_line("web", "done")
    pid = server.pid("web")
    wait_for(lambda: not [p for p in processes.children(server.keeper) if p not in (pid, server.brain())], 3)
    assert server.pid("web") == pid and server.state("web") == "running" and server.restarts("web") == 0


# --- bad input --------------------------------------------------------------------------------------


BAD_FILES = {
    "missing": (None, "No such file"),
    "a directory": ("", "Is a directory"),
    "too large": (b"A=" + b"x" * (10 << 20) + b"\n", "env_file"),
    "binary": (bytes(range(256)) * 40, "env_file"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_environment_files(server, kind):
    content, words = BAD_FILES[kind]
    path = server.dir / "env"
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    server.add("web", SLEEP, env_file=[str(path)], restart="never")
    server.add("well", SLEEP)
    server.start()
    server.wait_state("well", "running")
    why = wait_for(lambda: str(path) in (text := server.why("web")) and text)
    assert words in why or "env" in why
    assert server.state("web") == "failed" and not server.pid("web")


@needs_root
def test_unreadable_environment_file(server):
    """Read with the rights of the server; a plain one is told."""
    path = server.dir / "env"
    path.write_text("A=1\n")
    path.chmod(0)
    own(server, NOBODY)
    server.add("web", SLEEP, env_file=[str(path)], restart="never")
    server.start(prefix=("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"))
    wait_for(lambda: "Permission denied" in server.why("web"))


@needs_root
def test_user_that_vanishes_between_check_and_spawn(server):
    """The file is right when it is loaded: users are looked up when the service starts."""
    passwd = server.dir / "passwd"
    text = open("/etc/passwd").read()
    passwd.write_text(text + "ghost:x:64999:64999::/:/bin/sh\n")
    server.add("web", "id -u; exec sleep 1000", user="ghost", restart="never")
    server.start(prefix=("unshare", "-m", "sh", "-c", f'mount --bind {passwd} /etc/passwd; exec "$@"', "-"))
    server.wait_line("web", "64999")
    server.cli("stop", "web")
    passwd.write_text(text)
    assert server.cli("start", "web").returncode != 0
    assert "ghost" in server.why("web") and server.state("web") == "failed"


def test_a_start_that_hangs_delays_nobody(server):
    """As a working directory on a dead mount does: opening a FIFO that nobody writes to."""
    fifo = server.dir / "fifo"
    os.mkfifo(fifo)
    server.add("hangs", SLEEP, stdin=str(fifo), start_timeout_ms=60000, stop_timeout_ms=300)
    for i in range(5):
        server.add(f"web{i}", SLEEP, after=[])
    server.start()
    for i in range(5):
        server.wait_state(f"web{i}", "running")
    assert server.state("hangs") == "starting"
    began = time.monotonic()
    assert server.rpc("service.stop", {"name": "hangs", "wait": True, "timeout_ms": 5000})["state"] in ("inactive", "exited", "failed")
    assert time.monotonic() - began < 3
    server.rpc("service.start", {"name": "hangs"})
    writer = wait_for(lambda: open_writer(fifo))
    server.wait_state("hangs", "running")
    os.close(writer)


def open_writer(fifo):
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


# --- what a process gets ----------------------------------------------------------------------------


@needs_root
def test_everything_at_once(server):
    """User, groups, umask, nice, limits, capabilities and more, read back from the process itself."""
    server.add("web", ["/bin/sh", "-c", "umask; ulimit -n; cat /proc/self/status /proc/self/oom_score_adj; nice; echo end; exec sleep 1000"],
               user="nobody", supplementary_groups=["daemon"], umask="027", nice=3, oom_score_adj=100,
               rlimits={"nofile": [100, 200]}, no_new_privileges=True, capabilities=["NET_BIND_SERVICE"], session=True)
    server.start()
    server.wait_line("web", "end")
    lines = server.lines("web")
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    assert lines[0] == "0027" and lines[1] == "100"
    assert status["Uid"].split() == [str(NOBODY)] * 4
    assert "1" in status["Groups"].split()
    assert status["NoNewPrivs"].strip() == "1"
    assert {status[key].strip() for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {f"{1 << 10:016x}"}
    assert "100" in lines and lines[-2] == "3"
    pid = server.pid("web")
    assert int(processes.stat(pid)[3]) == pid  # a session of its own
