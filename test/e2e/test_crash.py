# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the server: nothing that a service or a user can see changes."""
import os
import pathlib
import signal
import subprocess
import threading

import pytest
from harness import processes
from harness.wait import stays, wait_for
from test_logs import Follower

SLEEP = "exec sleep 1000"
COUNT = "i=0; while :; do i=$((i + 1)); echo $i; done"


def numbers(lines):
    return [int(line) for line in lines if line.isdigit()]


def consecutive(values):
    return all(b == a + 1 for a, b in zip(values, values[1:]))


def test_services_pids_and_states_stay(server):
    server.add("web", SLEEP)
    server.add("done", "exit 0", oneshot=True, restart="never")
    server.add("dead", "exit 4", restart="never")
    server.add("held", SLEEP, requires=["dead"])
    server.start()
    server.wait_state("web", "running")
    server.wait_state("done", "exited")
    server.wait_state("dead", "failed")
    before = {name: (s["state"], s["pid"], s["restart_count"]) for name, s in server.all().items()}
    server.kill_brain()
    after = {name: (s["state"], s["pid"], s["restart_count"]) for name, s in server.all().items()}
    assert after == before
    assert processes.alive(before["web"][1])
    assert server.status("dead")["exit_code"] == 4


@pytest.mark.parametrize("kills", [8])
def test_lines_go_on_without_gap_or_double(server, kills):
    """Numbered lines at full speed; the server is killed again and again."""
    server.add("web", f"i=0; while :; do i=$((i + 1)); echo $i; [ $((i % 50)) != 0 ] || sleep 0.005; done",
               buffer_lines=2000000, buffer_bytes="64M")
    server.start()
    server.wait_line("web", "100")
    pid = server.pid("web")
    for _ in range(kills):
        server.kill_brain()
        last = numbers(server.lines("web"))[-1]
        wait_for(lambda: numbers([e["line"] for e in server.log("web", 1)])[-1] > last + 50)
    assert server.pid("web") == pid
    got = numbers([e["line"] for e in server.log("web", 10000000)])
    assert got[0] == 1 and consecutive(got), [pair for pair in zip(got, got[1:]) if pair[1] != pair[0] + 1][:5]


def test_follower_goes_on(server):
    server.add("web", "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.01; done", buffer_lines=100000)
    server.start()
    server.wait_line("web", "5")
    follower = Follower(server, "web", "-n", "100000")
    try:
        wait_for(lambda: len(numbers(follower.lines())) > 10)
        for _ in range(3):
            seen = len(numbers(follower.lines()))
            server.kill_brain()
            wait_for(lambda: len(numbers(follower.lines())) > seen + 20, 10, "the follower gets new lines")
        assert follower.process.poll() is None
        assert consecutive(numbers(follower.lines()))
    finally:
        follower.end()


def test_exit_during_the_gap_is_not_missed(server):
    """Services that end while there is no server: exit code, last line and restart are all there afterwards."""
    server.add("web", "read line < $FIFO; echo last words; exit 9", restart="never", env={"FIFO": str(server.dir / "fifo")})
    server.add("again", "echo up; read line < $FIFO; exit 1", restart="always", restart_delay_ms=20,
               env={"FIFO": str(server.dir / "fifo2")})
    for name in ("fifo", "fifo2"):
        subprocess.run(["mkfifo", server.dir / name], check=True)
    server.start()
    server.wait_state("web", "running")
    server.wait_line("again", "up")
    first = server.pid("again")

    def end_both():
        for name in ("fifo", "fifo2"):
            with open(server.dir / name, "w") as pipe:
                pipe.write("end\n")

    ender = threading.Thread(target=end_both)
    old = server.brain()
    processes.kill(old)
    ender.start()
    ender.join(10)
    wait_for(lambda: server.brain() not in (None, old), 10, "a new server")
    wait_for(server.answers)
    server.wait_state("web", "failed")
    assert server.status("web")["exit_code"] == 9
    assert server.lines("web") == ["last words"]
    server.wait_pid("again", other_than=first)
    wait_for(lambda: server.lines("again").count("up") == 2)


def test_backoff_goes_on(server):
    """A crash of the server neither forgets nor shortens a pending restart."""
    server.add("web", "echo up; exit 1", restart="always", restart_delay_ms=1500, restart_jitter=0)
    server.start()
    server.wait_line("web", "up")
    wait_for(lambda: not server.pid("web"))
    server.kill_brain()
    wait_for(lambda: server.lines("web").count("up") == 2, 10)
    first, second = [e["timestamp"] / 1e9 for e in server.log("web") if e["line"] == "up"]
    assert 1.4 <= second - first <= 3.5


def test_stop_after_a_crash_takes_everything(server):
    server.add("web", "sleep 1000 & exec sleep 1000")
    server.start()
    server.wait_state("web", "running")
    server.kill_brain()
    assert server.cli("stop", "web").returncode == 0
    wait_for(lambda: not [p for p in server.leftovers() if processes.command(p) == "sleep 1000"], 5)


def test_start_and_stop_work_after_many_crashes(server):
    server.add("web", SLEEP)
    server.add("db", SLEEP)
    server.start()
    server.wait_state("db", "running")
    for n in range(5):
        server.kill_brain()
        assert server.cli("restart", "web").returncode == 0
        assert server.state("web") == "running"
    assert server.restarts("db") == 0


def test_descriptors_do_not_grow(server):
    import os
    for n in range(5):
        server.add(f"s{n}", SLEEP)
    server.start()
    wait_for(lambda: all(server.state(f"s{n}") == "running" for n in range(5)))
    server.kill_brain()

    def count():
        return len(os.listdir(f"/proc/{server.keeper}/fd")), len(os.listdir(f"/proc/{server.brain()}/fd"))

    wait_for(lambda: count()[1] > 5)
    before = count()
    for _ in range(5):
        server.kill_brain()
    wait_for(lambda: count()[0] <= before[0] + 1 and count()[1] <= before[1] + 2, 5, f"from {before} to {count()}")


def test_definitions_are_what_the_old_server_ran(server):
    """Files that change on disk count at a reload, not at a crash."""
    server.add("web", SLEEP)
    server.start()
    pid = server.wait_pid("web")
    server.write("web.toml", "garbage")
    server.kill_brain()
    assert server.pid("web") == pid and server.state("web") == "running"
    processes.kill(pid)
    server.wait_pid("web", other_than=pid)


def test_keeper_killed(server):
    """
    Acceptance 31: the end of the keeper is bounded. All services are stopped in order within shutdown_timeout_ms, the server ends
    with 1 and takes its socket with it, and one that is started then finds nothing in its way.
    """
    server.add("db", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done", store=True)
    server.add("web", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done", requires=["db"])
    server.settings.write_text(server.settings.read_text() + "[server]\nshutdown_timeout_ms = 5000\n")
    server.start()
    for name in ("db", "web"):
        server.wait_line(name, "up")
    brain = server.brain()
    pids = [server.pid(name) for name in ("db", "web")]
    with server.connect() as connection:
        processes.kill(server.keeper)
        server.process.wait(10)
        wait_for(lambda: not processes.alive(brain), 10, "the server ends too")
        with pytest.raises((EOFError, OSError)):
            while True:
                connection.read_message()
    assert not any(processes.alive(pid) for pid in pids)
    assert any("the keeper is gone" in path.read_text() for path in (server.logs / "zinit").iterdir())
    assert not server.socket.exists()
    server.start()
    server.wait_state("web", "running")
    server.wait_line("web", "up")
    assert "bye" in server.cli("logs", "db").stdout, "its last words were kept"


def test_keeper_and_server_killed(server):
    """Both at once: services live on without anybody, as with any supervisor that was killed. What is left is known by nobody, and harms nobody."""
    server.add("web", SLEEP)
    server.start()
    pid = server.wait_pid("web")
    group = cgroup_of(pid)
    brain = server.brain()
    processes.kill(server.keeper, signal.SIGSTOP)  # or it would start another one
    processes.kill(brain)
    processes.kill(server.keeper)
    server.process.wait(10)
    wait_for(lambda: not processes.alive(brain))
    assert processes.alive(pid)
    processes.kill(pid)
    wait_for(lambda: not processes.alive(pid))
    server.start()
    assert server.wait_pid("web") != pid
    if group:
        assert not group.exists(), "the cgroups of the dead are removed"


def cgroup_of(pid):
    """The directory that a keeper has for its services, or None where there are no cgroups."""
    path = next((line[3:] for line in processes.read(pid, "cgroup").decode().splitlines() if line.startswith("0::")), "")
    for mount in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        folder = pathlib.Path(mount + path).parent
        if folder.name.startswith("zinit-") and folder.is_dir():
            return folder
    return None


def test_a_spawn_that_fails_after_its_server(server):
    """The child hangs on its way to execve, its server dies, and then execve fails: stage and errno are known all the same."""
    fifo = server.dir / "fifo"
    os.mkfifo(fifo)
    server.add("web", ["/nonexistent/program"], stdin=str(fifo), status="stop", restart="never", start_timeout_ms=60000)
    server.start()
    server.rpc("service.start", {"name": "web"})
    wait_for(lambda: server.state("web") == "starting")
    server.kill_brain()
    with open(fifo, "w"):
        server.wait_state("web", "failed")
    why = server.why("web")
    assert "exec" in why and "No such file" in why, why


def test_hung_server_is_replaced(server):
    """No heartbeat: the keeper ends the server and starts another; the services never notice."""
    server.add("web", SLEEP)
    server.start()
    pid = server.wait_pid("web")
    old = server.brain()
    processes.kill(old, signal.SIGSTOP)
    wait_for(lambda: server.brain() not in (None, old), 60, "a new server")
    wait_for(server.answers, 10)
    assert server.pid("web") == pid
    stays(lambda: server.pid("web") == pid, 0.2)


SLOW_TO_STOP = "trap 'sleep 0.7; exit 0' TERM; echo {word}; sleep 1000 & wait"


def stopping(server, name):
    wait_for(lambda: server.state(name) == "stopping", 5, f"{name} is being stopped")


def test_a_reload_that_waits_for_the_old_run_goes_on(server):
    """The new definition is to start when the old run is gone; the server dies in between."""
    server.add("web", SLOW_TO_STOP.format(word="old"))
    server.start()
    server.wait_line("web", "old")
    server.add("web", "echo new; exec sleep 1000")
    server.rpc("service.reload")
    stopping(server, "web")
    server.kill_brain()
    server.wait_line("web", "new")
    assert server.state("web") == "running"


def test_a_removal_goes_on(server):
    path = server.add("web", SLOW_TO_STOP.format(word="up"))
    server.start()
    server.wait_line("web", "up")
    with server.connect() as rpc:
        rpc.send_bytes(b'{"jsonrpc": "2.0", "id": 1, "method": "service.remove", "params": {"name": "web"}}\n')  # answered when it is gone
        stopping(server, "web")
        server.kill_brain()
    wait_for(lambda: "web" not in server.all(), 10, "it is forgotten")
    assert not path.exists()


def test_a_stop_command_of_the_dead_server_is_ended(server):
    server.add("web", SLEEP, stop_command="exec sleep 1006", stop_timeout_ms=3000)
    server.start()
    server.wait_state("web", "running")
    server.rpc("service.stop", {"name": "web"})

    def commands():
        return {p for p in server.leftovers() if processes.command(p) == "sleep 1006"}

    wait_for(commands)
    server.kill_brain()
    wait_for(lambda: len(commands()) == 1, 2, "one stop command runs")
    stays(lambda: len(commands()) <= 1, 0.3)


def test_the_exit_code_of_a_critical_failure_is_kept(server):
    """Acceptance 37, with the server killed during the orderly shutdown."""
    server.add("slow", SLOW_TO_STOP.format(word="up"))
    server.add("vital", "read line < $FIFO; exit 7", critical=True, restart="never",
               env={"FIFO": str(server.dir / "fifo")})
    subprocess.run(["mkfifo", server.dir / "fifo"], check=True)
    server.start()
    server.wait_line("slow", "up")
    server.wait_state("vital", "running")
    (server.dir / "fifo").write_text("end\n")
    stopping(server, "slow")
    processes.kill(server.brain())
    assert server.process.wait(10) == 7


def test_a_removed_service_leaves_nothing_with_the_keeper(server):
    """Acceptance 36: descriptors of the keeper after many services came and went, one with a pipe that stays open."""
    import os
    server.add("stays", SLEEP)
    server.start()
    server.wait_state("stays", "running")

    def count():
        return len(os.listdir(f"/proc/{server.keeper}/fd"))

    before = None
    for n in range(6):
        server.add("goes", f"setsid sleep 100{n} & exec sleep 1000", kill_mode="process")
        server.rpc("service.reload")
        server.wait_state("goes", "running")
        (server.services / "goes.toml").unlink()
        server.rpc("service.reload")
        wait_for(lambda: "goes" not in server.all(), 10)
        before = before or count()  # it told an exit, so it has read all that was sent at the start
    for pid in server.leftovers():
        if processes.command(pid).startswith("sleep 100") and pid != server.pid("stays"):
            processes.kill(pid)
    wait_for(lambda: count() <= before, 5, f"{before} descriptors, now {count()}")
