# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, JSON everywhere, errors that say what to type next."""
import json
import os
import pty
import subprocess

import pytest
from harness.server import binary
from harness.wait import wait_for

SLEEP = "exec sleep 1000"


@pytest.fixture
def shop(server):
    server.add("db", f"echo db is up; {SLEEP}")
    server.add("web", f"echo web is up; {SLEEP}", requires=["db"])
    server.add("idle", SLEEP, status="stop")
    server.add("crash", "echo oops >&2; exit 3", restart="never")
    server.start()
    server.wait_state("web", "running")
    server.wait_state("crash", "failed")
    return server


def test_no_server(server):
    result = server.cli("list")
    assert result.returncode == 5
    assert result.stdout == ""
    assert str(server.socket) in result.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["list", "--nonsense"], ["start"], ["status", "a", "b", "--x"],
                                       ["kill", "db", "SIGNONSENSE"], ["logs", "db", "-n", "many"]])
def test_usage_errors(shop, arguments):
    result = shop.cli(*arguments)
    assert result.returncode == 2, result
    assert result.stdout == "" and result.stderr.strip()


def test_wrong_verb_has_a_suggestion(server):
    result = server.cli("staus", "web")
    assert result.returncode == 2
    assert "status" in result.stderr


@pytest.mark.parametrize("arguments, code", [
    (["ping"], 0), (["list"], 0), (["status", "db"], 0), (["why", "db"], 0), (["tree"], 0),
    (["status", "idle"], 3), (["status", "crash"], 3), (["status", "ghost"], 3),
    (["start", "ghost"], 1), (["stop", "ghost"], 1), (["logs", "ghost"], 1), (["why", "ghost"], 1),
    (["start", "db"], 0), (["stop", "idle"], 0), (["kill", "idle"], 1),
])
def test_exit_codes(shop, arguments, code):
    result = shop.cli(*arguments)
    assert result.returncode == code, result
    assert bool(result.stderr.strip()) == (code not in (0, 3) or "ghost" in arguments), result


def test_start_of_a_failing_service_says_why(server):
    server.add("job", "echo oops >&2; exit 3", oneshot=True, restart="never", status="stop")
    server.start()
    result = server.cli("start", "job")
    assert result.returncode == 1
    assert "3" in result.stderr and "oops" in result.stderr


def test_timeout(server):
    server.add("slow", f"{SLEEP}", status="stop", health={"type": "exec", "target": "false", "interval_ms": 100, "retries": 1000})
    server.start()
    result = server.cli("start", "slow", "--timeout", "500ms")
    assert result.returncode == 4, result


def test_did_you_mean_a_service(shop):
    result = shop.cli("start", "wbe")
    assert result.returncode == 1
    assert "wbe" in result.stderr and "web" in result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["status", "db"], ["why", "web"], ["tree"], ["ping"], ["start", "idle"],
                                       ["stop", "web"], ["restart", "web"], ["kill", "web", "TERM"]])
def test_json_everywhere(shop, arguments):
    result = shop.cli(*arguments, "--json")
    assert result.returncode == 0, result
    json.loads(result.stdout)


def test_json_of_list_and_status(shop):
    listed = {entry["name"]: entry for entry in json.loads(shop.cli("list", "--json").stdout)}
    assert set(listed) == {"db", "web", "idle", "crash"}
    assert listed["db"]["state"] == "running"
    status = json.loads(shop.cli("status", "db", "--json").stdout)
    assert status["pid"] == shop.pid("db") and status["state"] == "running"


def test_json_of_logs(shop):
    lines = [json.loads(line) for line in shop.cli("logs", "db", "--json").stdout.splitlines()]
    assert [entry["content"] for entry in lines] == ["db is up"]


def test_json_of_an_error(shop):
    result = shop.cli("start", "ghost", "--json")
    assert result.returncode == 1
    assert "ghost" in json.dumps(json.loads(result.stdout or result.stderr))


def test_table_is_aligned_and_plain_in_a_pipe(shop):
    out = shop.cli("list").stdout
    assert "\x1b" not in out
    rows = out.splitlines()
    column = rows[0].upper().index("STATE")
    states = {row.split()[0]: row[column:].split()[0] for row in rows[1:5]}
    assert states == {"db": "running", "web": "running", "idle": "inactive", "crash": "failed"}


def run_on_a_terminal(shop, *arguments, **env):
    leader, follower = pty.openpty()
    with subprocess.Popen([str(binary("zinit")), "-s", str(shop.socket), *arguments], stdin=follower, stdout=follower,
                          stderr=follower, env=shop.environment({"TERM": "xterm", **env})) as process:
        os.close(follower)
        out = b""
        try:
            while chunk := os.read(leader, 4096):
                out += chunk
        except OSError:
            pass
        process.wait(10)
    os.close(leader)
    return out.decode()


def test_colour_on_a_terminal_only(shop):
    assert "\x1b[" in run_on_a_terminal(shop, "list")
    assert "\x1b[" not in run_on_a_terminal(shop, "list", NO_COLOR="1")


def test_tree_shows_the_dependency(shop):
    out = shop.cli("tree").stdout
    assert "web" in out and "db" in out


def test_why_walks_to_the_root(server):
    server.add("root", "exit 1", oneshot=True, restart="never")
    server.add("middle", SLEEP, requires=["root"])
    server.add("leaf", SLEEP, requires=["middle"])
    server.start()
    server.wait_state("root", "failed")
    wait_for(lambda: "root" in server.why("leaf"))
    assert "middle" in server.why("leaf")


def test_shutdown_waits(shop):
    result = shop.cli("shutdown")
    assert result.returncode == 0
    assert shop.process.wait(20) == 0


def test_full_disk_of_the_output_is_an_error(shop):
    with open("/dev/full", "w") as full:
        result = subprocess.run([str(binary("zinit")), "-s", str(shop.socket), "list"], stdout=full, stderr=subprocess.PIPE,
                                timeout=20)
    assert result.returncode == 1
