# SPDX-License-Identifier: Apache-2.0
"""What service files of the reference mean: ports, process filters, conflicts, classes, failure reasons, --tree."""
import os
import re
import subprocess
import uuid

import pytest
from harness.wait import stays, wait_for

SLEEP = "exec sleep 1000"


# --- what holds a start up ---------------------------------------------------------------------------


def test_a_port_belongs_to_one_running_service(server):
    server.add("first", SLEEP, ports=[8080, 9000])
    server.add("second", SLEEP, ports=[9000], status="stop")
    server.add("other", SLEEP, ports=[9001])
    server.start()
    server.wait_state("first", "running")
    server.wait_state("other", "running")
    assert server.cli("start", "second", "--no-wait").returncode == 0
    server.wait_state("second", "blocked")
    assert "9000" in server.why("second") and "first" in server.why("second")
    server.cli("stop", "first")
    server.wait_state("second", "running")
    # and the other way round
    server.cli("start", "first", "--no-wait")
    server.wait_state("first", "blocked")


@pytest.mark.parametrize("who", ["first", "second"])
def test_conflicts_hold_both_ways(server, who):
    """One names the other: neither runs beside the other, whichever came first."""
    other = {"first": "second", "second": "first"}[who]
    server.add("first", SLEEP, status="stop", conflicts=["second"])
    server.add("second", SLEEP, status="stop")
    server.start()
    assert server.cli("start", who).returncode == 0
    server.cli("start", other, "--no-wait")
    server.wait_state(other, "blocked")
    assert "conflict" in server.why(other) and who in server.why(other)
    assert server.state(who) == "running"
    server.cli("stop", who)
    server.wait_state(other, "running")
    assert not server.pid(who)


@pytest.fixture
def stranger():
    """A process of nobody's, and a word of its command line."""
    word = f"stranger-{uuid.uuid4()}"
    process = subprocess.Popen(["sh", "-c", "read x", word], stdin=subprocess.PIPE)
    yield process, word
    process.kill()
    process.wait()


def test_a_foreign_process_blocks(server, stranger):
    process, word = stranger
    server.add("web", SLEEP, process_filters=[word.upper()])
    server.start()
    server.wait_state("web", "blocked")
    assert "process_filters" in server.why("web")
    stays(lambda: server.state("web") == "blocked" and process.poll() is None, 0.3)
    process.kill()
    process.wait()
    wait_for(lambda: server.cli("start", "web", "--no-wait") and server.state("web") == "running")


def pids(server, name):
    return set(re.findall(r"^\s*(\d+) ", server.rpc("debug.process_tree", {"name": name})["output"], re.MULTILINE))


def test_kill_others_kills_strangers_alone(server, stranger):
    """Not what another service of ours has started, be it a grandchild in a session of its own."""
    process, word = stranger
    server.add("ours", f"sh -c 'setsid sh -c \"echo $$; read x < {server.dir}/never\" {word} & wait'")
    os.mkfifo(server.dir / "never")
    server.add("web", SLEEP, status="stop", process_filters=[word], kill_others=True)
    server.start()
    # the shell's own command line holds the word, too
    wait_for(lambda: server.lines("ours"))
    members = pids(server, "ours")
    assert len(members) >= 2
    assert server.cli("start", "web").returncode == 0
    assert process.wait(10) == -9
    server.says("web: killing process", str(process.pid))
    assert pids(server, "ours") == members
    assert server.state("ours") == "running" and server.restarts("ours") == 0
    assert server.diagnostics().count("web: killing process") == 1


# --- classes, and what a start brings along -----------------------------------------------------------


def test_bulk_verbs_pass_the_system_class_by(server):
    server.add("user", SLEEP)
    server.write("base.toml", f'[service]\nname = "base"\nexec = "{SLEEP}"\nclass = "system"\n')
    server.start()
    base = server.wait_pid("base")
    server.wait_state("user", "running")
    assert server.rpc("service.stop_all")["stopped"] == ["user"]
    server.wait_state("user", "inactive", "exited")
    assert server.pid("base") == base
    server.cli("stop", "base")
    assert server.rpc("service.start_all")["started"] == ["user"]
    assert not server.pid("base")
    assert server.rpc("service.delete_all")["deleted"] == ["user"]
    wait_for(lambda: set(server.all()) == {"base"})
    assert (server.services / "base.toml").exists() and not (server.services / "user.toml").exists()


def test_a_system_service_is_stopped_where_a_dependency_demands_it(server):
    server.add("db", SLEEP)
    server.write("base.toml", f'[service]\nname = "base"\nexec = "{SLEEP}"\nclass = "system"\n[dependencies]\nrequires = ["db"]\n')
    server.start()
    server.wait_state("base", "running")
    server.rpc("service.stop_all")
    server.wait_state("db", "inactive", "exited")
    assert server.state("base") != "running"


def test_tree_starts_what_it_depends_on(server):
    server.add("db", SLEEP, status="stop")
    server.add("cache", SLEEP, status="stop")
    server.add("aside", SLEEP, status="stop")
    server.add("app", SLEEP, status="stop", requires=["db"], wants=["cache"], after=["aside"])
    server.start()
    server.cli("start", "app", "--no-wait")
    server.wait_state("app", "blocked")
    stays(lambda: server.state("db") == "inactive", 0.2)
    server.cli("stop", "app")
    server.cli("start", "--tree", "app", "--no-wait")
    server.wait_state("db", "running")
    server.wait_state("cache", "running")
    server.cli("start", "aside")
    server.wait_state("app", "running")


# --- the reasons of a failure; the eighth, stop_timeout, is in test_stop.py: who cannot be killed ----------

CHECK = {"type": "exec", "target": "false", "interval_ms": 20, "timeout_ms": 5000}
# type -> keys of the service, what its reason has beside its type
REASONS = {
    "exit_code": (dict(exec="exit 3"), {"code": 3}),
    "signal": (dict(exec="kill -9 $$"), {"signal": 9}),
    "start_timeout": (dict(exec=SLEEP, start_timeout_ms=100, health={"type": "notify"}), {}),
    "health_check_failed": (dict(exec=SLEEP, health={**CHECK, "retries": 2}), {"attempts": 2}),
    "dependency_failed": (dict(exec=SLEEP, requires=["broken"]), {"service": "broken"}),
    "spawn_error": (dict(exec=["/no/such/program"]), {}),
    "missing_dependency": (dict(exec=SLEEP, requires=["nobody"]), {"dependency": "nobody"}),
}


@pytest.mark.parametrize("reason", REASONS)
def test_reasons_of_failures(server, reason):
    keys, fields = REASONS[reason]
    server.add("broken", "exit 1", oneshot=True, restart="never")
    server.add("web", restart="never", **keys)
    server.start()
    wait_for(lambda: server.state("web") == "failed")
    told = server.status("web")["reason"]
    assert told["type"] == reason and fields.items() <= told.items(), told
    assert told["text"] and told["text"] in server.why("web")
