# SPDX-License-Identifier: Apache-2.0
"""Another server takes over, and another keeper: nobody notices; what fails is put back."""
import os
import shutil
import signal
import threading
import time

import pytest
from harness import killing, processes
from harness.rpc import RpcError
from harness.server import binary
from harness.wait import SLOWNESS, wait_for

SLEEP = "sleep 1000"
COUNT = "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.005; done"
NEXT = "99.0.0-next"
UPGRADES = int(os.environ.get("ZINIT_UPGRADES", int(20 / SLOWNESS)))


def version(server):
    return server.rpc("system.ping")["version"]


@pytest.fixture
def programs(server):
    """Paths of two servers that run from the test's own directory: the one of now and the next one."""
    paths = []
    for folder, name in (("now", "zinit-server"), ("next", "zinit-server-next")):
        place = server.dir / folder
        place.mkdir()
        shutil.copy2(binary(name), place / "zinit-server")
        shutil.copy2(binary("zinit-prober"), place)
        paths.append(place / "zinit-server")
    return paths


@pytest.fixture
def fault(server):
    """A program that passes the check and then fails in the way of its name."""
    def make(name, mode=0o755):
        place = server.dir / name
        place.mkdir()
        path = place / "zinit-server"
        shutil.copy2(binary("upgrade-fault"), path)
        path.chmod(mode)
        return path
    return make


@pytest.fixture
def web(server):
    server.add("web", SLEEP)
    server.start()
    server.pids = (server.wait_pid("web"), server.keeper)
    return server


def upgrade(server, *arguments):
    out = server.cli("upgrade", *arguments)
    assert out.returncode == 0, out.stderr
    return out.stdout


def test_forth_and_back(web, programs):
    """The next version, and this one again; each knows what it is, and services go on."""
    now, following = programs
    old = version(web)
    assert f"zinit {NEXT} took over from zinit {old}" in upgrade(web, following)
    assert version(web) == NEXT
    assert f"zinit {old} took over from zinit {NEXT}" in upgrade(web, now)
    assert version(web) == old
    assert (web.pid("web"), web.keeper) == web.pids and web.restarts("web") == 0
    assert "took over from" in web.cli("events", "--json").stdout
    assert web.rpc("system.info")["last_upgrade"].startswith(f"zinit {old} took over")


def test_under_load(server, programs):
    """Acceptance 30: forth and back in a loop while services print at full speed, exit, restart, are probed and reloaded."""
    load = killing.Load(server)
    load.start()
    try:
        for n in range(UPGRADES):
            result = killing.patiently(lambda: server.rpc("system.upgrade", {"path": str(programs[1 - n % 2])}, 60))
            assert result["ok"]
    finally:
        load.end.set()
        load.client.join(60)
    load.check()


def test_with_kills_in_between(server, programs):
    load = killing.Load(server)
    load.start()
    end = threading.Event()

    def kill():
        while not end.wait(0.2 * SLOWNESS):
            pid = killing.brain_of(server.keeper)
            if pid:
                processes.kill(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for n in range(UPGRADES):
            try:
                server.rpc("system.upgrade", {"path": str(programs[1 - n % 2])}, 20)
            except (OSError, EOFError, RpcError):
                pass  # killed on the way
            if n % 3 == 0:
                server.process.send_signal(signal.SIGUSR2)
    finally:
        end.set()
        killer.join()
        load.end.set()
        load.client.join(60)
    load.check()


def test_connections_go_on(web, programs):
    """What waits is answered by the next server on the same connection, a request may be cut in two, subscriptions lose nothing."""
    web.add("count", COUNT)
    web.rpc("service.reload")
    web.wait_line("count", "3")
    followers = [web.cli_start("logs", "-f", "-n", "0", "--output", "raw", "count", text=True), web.cli_start("events", "-f", text=True)]
    with web.connect() as waiting, web.connect() as cut, web.connect() as batch, web.connect() as subscribed:
        waiting.send_bytes(b'{"jsonrpc":"2.0","id":7,"method":"service.wait","params":{"name":"web","state":["exited"]}}\n')
        cut.send_bytes(b'{"jsonrpc":"2.0","id":8,"method":"sys')
        batch.send_bytes(b'[{"jsonrpc":"2.0","id":1,"method":"system.ping"},{"jsonrpc":"2.0","id":2,"method":"service.wait",'
                         b'"params":{"name":"web","state":["exited"]}},{"jsonrpc":"2.0","id":3,"method":"system.ping"}]\n')
        number = subscribed.call("logs.follow", {"name": "count"})["subscription"]
        for n in range(4):
            upgrade(web, programs[1 - n % 2])
        cut.send_bytes(b'tem.ping"}\n')
        assert cut.read_message()["result"]["version"] == version(web)
        assert subscribed.call("subscription.end", {"subscription": number})["ok"]
        web.rpc("service.stop", {"name": "web"})
        answer = waiting.read_message()
        assert answer["id"] == 7 and answer["result"]["state"] == "exited"
        answers = batch.read_message()
        assert [a["id"] for a in answers] == [1, 3, 2] and answers[2]["result"]["reached"]
    last = int(web.lines("count")[-1])
    seen = [int(followers[0].stdout.readline())]
    while seen[-1] < last:
        seen.append(int(followers[0].stdout.readline()))
    assert seen == list(range(seen[0], seen[-1] + 1)), "lines lost, doubled or out of order"
    text = ""
    while "running -> stopping" not in text:
        text += followers[1].stdout.readline()
    assert text.count("took over from") == 4
    for follower in followers:
        follower.kill()
        follower.wait()


def test_a_wait_keeps_its_deadline(web, programs):
    with web.connect() as connection:
        connection.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"service.wait",'
                              b'"params":{"name":"web","state":["exited"],"timeout_ms":1500}}\n')
        begun = time.monotonic()
        upgrade(web, programs[1])
        assert connection.read_message()["result"]["timed_out"]
        assert 1.2 < time.monotonic() - begun < 3 * SLOWNESS


@pytest.mark.parametrize("name, words", [
    ("crash", ("66.6-fault failed (signal 6)", "was put back")),
    ("leaves", ("66.6-fault failed (exit code 7)", "was put back")),
    ("mute", ("66.6-fault was not ready in time", "was put back")),
    ("late", ("66.6-fault failed (signal 6)", "was put back")),
])
def test_put_back(web, fault, name, words):
    """It passed the check, took the place, and failed: the old one is back, the caller and the events say why."""
    old = version(web)
    with web.connect(30) as bystander:
        out = web.cli("upgrade", fault(name))
        assert out.returncode == 1 and all(word in out.stderr for word in words), (out.stdout, out.stderr)
        assert bystander.call("system.ping")["version"] == old, "its connection went on"
    assert (web.pid("web"), web.keeper) == web.pids
    events = web.cli("events").stdout
    assert all(word in events for word in words), events
    web.cli("upgrade")


def test_put_back_when_it_hangs(web, fault):
    out = web.cli("upgrade", fault("hangs"), timeout=60)
    assert out.returncode == 1 and "was not ready in time" in out.stderr
    assert (web.pid("web"), web.keeper) == web.pids


def test_refused(web, fault):
    """Nothing happens before the program is verified."""
    brain = web.brain()
    for path, word in (
        ("/nonexistent", "No such file"),
        ("/etc/passwd", "not a program"),
        ("/bin/true", "does not answer as a zinit-server"),
        (fault("writable", 0o777), "others may write it"),
        (fault("slow-check"), "did not end within"),
    ):
        out = web.cli("upgrade", path)
        assert out.returncode == 1 and word in out.stderr, (path, out.stderr)
    assert web.brain() == brain and web.pid("web") == web.pids[0]
    with pytest.raises(RpcError) as caught:
        web.rpc("system.upgrade", {"path": "zinit-server"})
    assert "absolute path" in caught.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_refused_of_another_user(web, fault):
    path = fault("foreign")
    os.chown(path, 12345, 12345)
    out = web.cli("upgrade", path)
    assert out.returncode == 1 and "belongs to user 12345" in out.stderr


def start_from(server, program):
    """As Server.start(), from a program that can be replaced."""
    shutil.copy2(binary("zinit-keeper"), program.parent)
    command = server.command
    server.command = lambda *arguments: [str(program), *command(*arguments)[1:]]
    server.start()


def replace(program, by):
    """As a package manager does it: a new file under the old name."""
    shutil.copy2(by, program.with_suffix(".new"))
    os.replace(program.with_suffix(".new"), program)


def test_what_is_on_disk_by_now(server, programs):
    """A replaced file counts when it is asked for, by the verb or by SIGUSR1; a crash starts what ran before."""
    server.add("web", SLEEP)
    start_from(server, programs[0])
    pid = server.wait_pid("web")
    old = version(server)
    replace(programs[0], programs[1])
    server.kill_brain()
    assert version(server) == old, "nobody asked for the new one"
    server.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: killing.patiently(lambda: version(server)) == NEXT, 10)
    assert server.pid("web") == pid
    replace(programs[0], binary("zinit-server"))
    upgrade(server)
    assert version(server) == old
    os.unlink(programs[0])
    server.kill_brain()
    assert version(server) == old and server.pid("web") == pid
    out = server.cli("upgrade")
    assert out.returncode == 1 and "No such file" in out.stderr


# --- the keeper --------------------------------------------------------------------------------


def executed_anew(server):
    return server.diagnostics().count("executed anew")


def test_keeper_again(web):
    """SIGUSR2: the keeper becomes what is at its path, with its children, its descriptors and its server."""
    brain = web.brain()
    for n in range(3):
        web.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: executed_anew(web) == n + 1, 10)
    assert web.brain() == brain and web.pid("web") == web.pids[0]
    web.kill_brain()
    assert web.pid("web") == web.pids[0]
    processes.kill(web.pids[0])
    web.wait_pid("web", other_than=web.pids[0])
    assert web.shutdown() == 0


def test_keeper_replaced(server, programs):
    """A keeper that can't take over, or is none, changes nothing; a good one by the same name does."""
    server.add("web", SLEEP)
    start_from(server, programs[0])
    pid = server.wait_pid("web")
    keeper = programs[0].parent / "zinit-keeper"
    for by, word in (("/bin/false", "it says that it can't"), ("/etc/passwd", "not a program")):
        replace(keeper, by)
        server.process.send_signal(signal.SIGUSR2)
        server.says("does not take over", word)
    os.unlink(keeper)
    server.process.send_signal(signal.SIGUSR2)
    server.says("does not take over", "No such file")
    replace(keeper, binary("zinit-keeper"))
    server.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: executed_anew(server) == 1, 10)
    server.kill_brain()
    assert server.pid("web") == pid


def test_keeper_under_load(server):
    """In a loop under load, with server kills in between."""
    load = killing.Load(server)
    load.start()
    try:
        for n in range(UPGRADES):
            before = executed_anew(server)
            server.process.send_signal(signal.SIGUSR2)
            if n % 2:
                pid = wait_for(lambda: killing.brain_of(server.keeper), 10)
                processes.kill(pid)
            wait_for(lambda: executed_anew(server) > before, 10)
    finally:
        load.end.set()
        load.client.join(60)
    load.check()
