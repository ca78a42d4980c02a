# SPDX-License-Identifier: Apache-2.0
"""What the server's threads and workers do to the rest when they die, or stand still."""
import pathlib
import random
import subprocess

import pytest
from harness import processes, rude
from harness.killing import consecutive_from_one
from harness.server import binary
from harness.wait import SLOWNESS, wait_for

COUNT = "i=0; while :; do i=$((i + 1)); echo $i; [ $((i % 100)) != 0 ] || sleep 0.01; done"
KILLS = int(40 / SLOWNESS ** 2)


def thread_of(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"{pid} has no thread {name}")


class Held:
    """A thread that stands still, in `with`."""

    def __init__(self, tid):
        self.tid = tid

    def __enter__(self):
        self.process = subprocess.Popen([str(binary("kill_at")), "hold", str(self.tid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b"held\n":
            pytest.skip("no right to trace another process here")
        return self

    def __exit__(self, *_):
        self.process.communicate()


@pytest.mark.parametrize("thread", ["log-reader", "log-store"])
@pytest.mark.parametrize("then", ["goes on", "killed"])
def test_a_thread_that_stands_still(server, thread, then):
    """Control answers and stops are carried out; the lines wait, and all of them are there afterwards."""
    server.add("count", COUNT, store=True, buffer_lines=200000)
    server.add("web", "echo up; exec sleep 1000")
    server.start()
    server.wait_state("web", "running")
    server.wait_line("count", "100")
    count = server.pid("count")
    web = server.pid("web")
    with Held(thread_of(server.brain(), thread)):
        assert server.rpc("system.ping")
        assert server.cli("stop", "web", timeout=20).returncode == 0
        assert not processes.alive(web)
        assert server.cli("start", "web", timeout=20).returncode == 0
        server.wait_state("web", "running")
        if then == "killed":
            server.kill_brain()
    wait_for(lambda: server.lines("web") == ["up", "up"], 10)
    last = int(server.log("count", 1)[0]["line"])
    wait_for(lambda: int(server.log("count", 1)[0]["line"]) > last + 200, 10, "lines flow again")
    assert server.pid("count") == count
    server.cli("stop", "count")
    out = server.cli("logs", "--output", "raw", "-n", "100000000", "count")
    assert not consecutive_from_one([int(line) for line in out.stdout.split()])


def test_the_prober_killed_again_and_again(server):
    """No verdict comes of its death: what was well stays well, what was ill stays ill, nothing is restarted."""
    rng = random.Random(1)
    with rude.Rude(rude.fine) as host, rude.Rude(rude.fine) as soon_gone:
        for name, port in (("well", host.port), ("ill", soon_gone.port)):
            server.add(name, "exec sleep 1000",
                       health={"type": "http", "target": f"http://127.0.0.1:{port}/", "interval_ms": 50, "retries": 3,
                               "on_failure": "mark"})
        server.start()
        for name in ("well", "ill"):
            server.wait_state(name, "running")
        soon_gone.__exit__(None, None, None)
        wait_for(lambda: server.status("ill")["health"] == "unhealthy", 10)
        pids = [server.pid(name) for name in ("well", "ill")]

        def probers():
            return [p for p in processes.children(server.keeper) if "zinit-prober" in processes.command(p)]

        for _ in range(KILLS):
            asked = len(host.asked)
            victim = wait_for(probers, 10, "a prober")
            assert len(victim) <= 2  # one that ends and one that begins
            if rng.random() < 0.5:
                wait_for(lambda: len(host.asked) > asked, 10, "the prober asks")
            processes.kill(victim[0])
            wait_for(lambda: victim[0] not in probers(), 10)
            assert server.status("ill")["health"] == "unhealthy"
        asked = len(host.asked)
        wait_for(lambda: len(host.asked) > asked + 3, 10, "it is asked again")
        wait_for(lambda: server.status("well")["health"] == "healthy", 10)
        assert [server.pid(name) for name in ("well", "ill")] == pids
        assert server.restarts("well") == server.restarts("ill") == 0
        text = server.diagnostics()
        assert text.count("prober") <= 3 * KILLS + 10
