# SPDX-License-Identifier: Apache-2.0
"""Stopping means gone: hostile programs as real services, with and without cgroups, as root and as a plain user; and whoever
cannot be ended is named. Programs are those of test/zoo, each test with a copy of its own, so that its processes can be told by
their executable: a count that shares nothing with what the server itself looks at."""
import json
import os
import pathlib
import shutil
import time

import pytest
from harness import processes
from harness.server import BUILD
from harness.wait import wait_for

NOBODY = 65534
ZOO = BUILD / "test/zoo/zoo"
IS_ROOT = os.geteuid() == 0
CGROUPS = next((path for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                if (pathlib.Path(path) / "cgroup.procs").exists() and os.access(path, os.W_OK)), None)

# Left out: those that need the lone test program (traced by root's daemon), and the one that only a cgroup can find.
GENTLE = ["double_fork", "daemonised", "setsid_child", "group_left", "group_joined", "chain", "stdout_held", "clone_parent",
          "vfork_child", "subreaper", "forks_on_term", "zombies", "term_ignored", "all_ignored", "all_blocked", "leader_leaves",
          "stopped", "stopped_child", "stops_again", "traced", "traced_main", "ends_at_once", "ends_by_itself", "slow_to_end",
          "aborts", "leader_thread_gone", "threads", "env_wiped", "lingerer", "renamed", "no_command_line", "all_closed", "poor",
          "mark_removed"]
FIERCE = ["sprinter", "sprinter_setsid", "phoenix", "exec_loop", "burner"]

WAYS = {
    "root": (),
    "root without cgroups": ("unshare", "-m", "sh", "-c", 'umount -l /sys/fs/cgroup/unified /sys/fs/cgroup 2>/dev/null; exec "$@"', "-"),
    "plain user": ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--"),
}
ways = pytest.mark.parametrize("way", WAYS if IS_ROOT else ["root"])
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root may")
pytestmark = pytest.mark.skipif(not ZOO.is_file(), reason="the zoo is not built")


class Zoo:
    def __init__(self, server):
        self.server = server
        self.path = server.dir / "animals"
        shutil.copy(ZOO, self.path)
        self.path.chmod(0o755)

    def alive(self):
        """(pid, animal) of all that live, canaries left out."""
        found = []
        for pid in processes.all_pids():
            try:
                if os.readlink(f"/proc/{pid}/exe") != str(self.path) or not processes.alive(pid):
                    continue
            except OSError:
                continue
            words = processes.read(pid, "cmdline").split(b"\0")
            if b"canary" not in words:
                found.append((pid, b" ".join(words[1:]).decode(errors="replace")))
        return found

    def add(self, animal, **keys):
        self.server.add(animal, [str(self.path), animal], **{"stop_timeout_ms": 150, "restart": "never", **keys})

    def canary(self):
        self.server.add("canary", f"sleep 1000 | {self.path} canary", stop_timeout_ms=2000)

    def canary_is_well(self):
        assert self.server.lines("canary") == ["ready"]
        assert self.server.state("canary") == "running" and self.server.restarts("canary") == 0


@pytest.fixture
def zoo(server):
    return Zoo(server)


def open_to_all(server):
    for path in (server.dir, server.services, server.logs):
        os.chown(path, NOBODY, NOBODY)


def run(server, way):
    if way == "plain user":
        open_to_all(server)
    server.start(prefix=WAYS[way])


@ways
def test_nothing_survives(zoo, server, way):
    for animal in GENTLE:
        zoo.add(animal)
    zoo.canary()
    run(server, way)
    for animal in GENTLE + ["canary"]:
        server.wait_line(animal, "ready")
    assert len(zoo.alive()) > len(GENTLE) - 5
    answers = {}
    with server.connect(20) as connection:
        for animal in GENTLE:
            answers[animal] = connection.call("service.stop", {"name": animal, "wait": True, "timeout_ms": 15000})
    assert {name for name, answer in answers.items() if not answer["ok"] or answer.get("survivors")} == set()
    assert zoo.alive() == []
    zoo.canary_is_well()


@ways
@pytest.mark.parametrize("animal", FIERCE)
def test_fierce_ones_are_ended(zoo, server, way, animal):
    zoo.add(animal)
    zoo.canary()
    run(server, way)
    server.wait_line(animal, "ready")
    server.wait_line("canary", "ready")
    answer = server.rpc("service.stop", {"name": animal, "wait": True, "timeout_ms": 15000}, timeout=20)
    assert answer["ok"], answer
    assert zoo.alive() == []
    zoo.canary_is_well()


@needs_root
@pytest.mark.skipif(not CGROUPS, reason="no cgroup v2")
def test_a_cgroup_finds_who_took_off_every_mark(zoo, server):
    zoo.add("mark_removed_alone", kill_mode="cgroup")
    server.start()
    server.wait_line("mark_removed_alone", "ready")
    processes.kill(server.pid("mark_removed_alone"))
    wait_for(lambda: not server.pid("mark_removed_alone"))
    assert len(zoo.alive()) == 1
    answer = server.rpc("service.stop", {"name": "mark_removed_alone", "wait": True, "timeout_ms": 5000})
    assert answer["ok"] and zoo.alive() == []


@needs_root
@pytest.mark.skipif(not CGROUPS, reason="no cgroup v2")
def test_one_cgroup_a_service_and_none_left(server):
    server.add("web", "sleep 1000 & exec sleep 1000")
    server.start()
    pid = server.wait_pid("web")
    own = [line for line in processes.read(pid, "cgroup").decode().splitlines() if line.startswith("0::")]
    assert own and own[0].endswith("/web")
    path = pathlib.Path(CGROUPS + own[0][3:])
    wait_for(lambda: len(path.joinpath("cgroup.procs").read_text().split()) == 2)
    assert server.kill_brain()
    assert server.rpc("service.stop", {"name": "web", "wait": True})["ok"]
    assert path.joinpath("cgroup.procs").read_text() == ""
    server.rpc("service.delete", {"name": "web"})
    wait_for(lambda: not path.exists())
    server.shutdown()
    assert not path.parent.exists()


def test_limits_that_cannot_be_kept_are_told_once(server):
    for name in ("web", "db"):
        server.write(f"{name}.toml", f'[service]\nname = "{name}"\nexec = "exec sleep 1000"\n[limits]\nmemory_max = "64M"\npids_max = 50\n')
    server.start(prefix=WAYS["root without cgroups"] if IS_ROOT else ())
    server.wait_state("web", "running")
    server.wait_state("db", "running")
    said = [line for line in server.diagnostics().splitlines() if "[limits]" in line]
    assert len(said) == 1 and "no cgroup v2" in said[0]


# --- survivors ------------------------------------------------------------------------------------


def test_kill_mode_process_names_whom_it_left(zoo, server):
    zoo.add("leader_leaves", kill_mode="process")
    server.start()
    server.wait_line("leader_leaves", "ready")
    result = server.cli("stop", "leader_leaves")
    left = zoo.alive()
    assert result.returncode == 0 and len(left) == 1
    assert f"pid {left[0][0]}" in result.stderr and str(zoo.path) in result.stderr
    processes.kill(left[0][0])
    wait_for(lambda: not zoo.alive(), 10, "the one that was left is gone")
    assert server.rpc("service.stop", {"name": "leader_leaves", "wait": True})["survivors"] == []


@needs_root
def test_who_cannot_be_killed_is_named(zoo, server):
    """A server without privileges, and a child that got another user's by a set-user-id program."""
    zoo.path.chmod(0o4755)
    zoo.add("set_user_id", stop_timeout_ms=200)
    run(server, "plain user")
    server.wait_line("set_user_id", "ready")
    if all(os.stat(f"/proc/{pid}").st_uid == NOBODY for pid, _ in zoo.alive()):
        pytest.skip("set-user-id programs do not work here")
    began = time.monotonic()
    answer = server.rpc("service.stop", {"name": "set_user_id", "wait": True, "timeout_ms": 20000}, timeout=25)
    left = zoo.alive()
    assert left and not answer["ok"] and not answer["timed_out"]
    assert {one["pid"] for one in answer["survivors"]} == {pid for pid, _ in left}
    assert all(str(zoo.path) in one["command"] for one in answer["survivors"])
    assert time.monotonic() - began < 15
    result = server.cli("stop", "set_user_id")
    assert all(f"pid {pid}" in result.stderr for pid, _ in left)
    assert server.status("set_user_id")["reason"]["type"] == "stop_timeout"
    server.says("set_user_id", "its stop left processes", str(left[0][0]))
    for pid, _ in left:
        processes.kill(pid)


# --- commands -------------------------------------------------------------------------------------


def test_stop_command(server):
    log = server.dir / "stopped"
    server.add("web", f"echo $$ > {log}.pid; exec sleep 1000", stop_command=f"echo $MAINPID > {log}; kill $MAINPID")
    server.start()
    pid = server.wait_pid("web")
    wait_for(lambda: pathlib.Path(f"{log}.pid").exists())
    assert server.cli("stop", "web").returncode == 0
    assert log.read_text().strip() == str(pid) and not processes.alive(pid)


@pytest.mark.timing
def test_stop_command_that_hangs(server):
    """The time-out is for command and process together; the command goes too."""
    server.add("web", "exec sleep 1000", stop_command="sleep 777", stop_timeout_ms=500)
    server.start()
    pid = server.wait_pid("web")
    began = time.monotonic()
    server.cli("stop", "web")
    assert 0.4 < time.monotonic() - began < 1.5
    assert not processes.alive(pid)
    wait_for(lambda: not [p for p in server.leftovers() if processes.command(p) == "sleep 777"])


def test_reload_signal_and_command(server):
    log = server.dir / "reloaded"
    server.add("signal", "trap 'echo again' USR1; echo ready; while :; do sleep 0.05; done", reload_signal="SIGUSR1")
    server.add("command", "echo ready; exec sleep 1000", reload_command=f"echo $MAINPID > {log}")
    server.start()
    for name in ("signal", "command"):
        server.wait_line(name, "ready")
    pids = server.pid("signal"), server.pid("command")
    assert server.cli("reload", "signal", "command").returncode == 0
    server.wait_line("signal", "again")
    wait_for(lambda: log.exists() and log.read_text().strip() == str(pids[1]))
    assert (server.pid("signal"), server.pid("command")) == pids
    server.cli("stop", "command")
    assert server.cli("reload", "command").returncode != 0
    assert server.cli("reload", "nosuch").returncode != 0


# --- figures --------------------------------------------------------------------------------------


def test_stats_count_all_descendants(zoo, server):
    zoo.add("chain")
    server.add("burner", [str(zoo.path), "burner"], stop_timeout_ms=150)
    server.start()
    server.wait_line("chain", "ready")
    server.wait_line("burner", "ready")
    stats = wait_for(lambda: (s := server.rpc("service.stats", {"name": "chain"})) and s["total"]["processes"] > 5 and s)
    total = stats["total"]
    assert stats["pid"] == server.pid("chain") and total["rss_bytes"] > stats["memory_bytes"] > 0
    assert total["pss_bytes"] > 0 and total["threads"] >= total["processes"] and total["fds"] >= 1
    children = server.rpc("service.children", {"name": "chain"})["children"]
    alive = {pid for pid, words in zoo.alive() if words.strip() == "chain"}
    assert {child["pid"] for child in children} == alive - {stats["pid"]}
    wait_for(lambda: server.rpc("service.stats", {"name": "burner"})["total"]["cpu_percent"] > 10)
    tree = server.cli("debug-procs", "chain").stdout.splitlines()
    assert tree[0] == f"chain (pid={server.pid('chain')})" and {int(line.split()[0]) for line in tree[1:]} == alive
    assert all(str(zoo.path) in line for line in tree[1:])
    row = next(line.split() for line in server.cli("stats").stdout.splitlines() if line.startswith("chain"))
    assert int(row[5]) == total["processes"]
    assert json.loads(server.cli("stats", "--json", "chain").stdout)["chain"]["total"]["processes"] == total["processes"]


def test_starts_again_after_every_end(server):
    """A cgroup that was killed once, by this server or an earlier one, kills nobody who comes later."""
    server.add("web", "trap '' TERM; (trap '' TERM; sleep 1000) & echo ready; while :; do sleep 60; done", stop_timeout_ms=50,
               restart="always", restart_delay_ms=10, restart_jitter=0)
    server.start()
    for turn in range(4):
        pid = server.wait_pid("web")
        wait_for(lambda: len(server.lines("web")) == 2 * turn + 1)
        processes.kill(pid)
        wait_for(lambda: len(server.lines("web")) == 2 * turn + 2)
        server.wait_pid("web", other_than=pid)
        if turn % 2:
            server.kill_brain()
        assert server.cli("stop", "web").returncode == 0
        assert server.cli("start", "web").returncode == 0
        wait_for(lambda: len(server.lines("web")) == 2 * turn + 3)
        assert server.state("web") == "running"
