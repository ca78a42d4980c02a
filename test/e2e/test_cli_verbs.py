# SPDX-License-Identifier: Apache-2.0
"""Verbs beyond the spine: check, add, remove, reload, wait, events, rpc, stats, bulk verbs; and flags that all share."""
import json

import pytest
from harness.server import service_toml
from harness.wait import wait_for

SLEEP = "exec sleep 1000"


@pytest.fixture
def pair(server):
    server.add("db", f"echo db is up; {SLEEP}", tags=["data"])
    server.add("web", f"echo out; echo err >&2; {SLEEP}", requires=["db"])
    server.start()
    server.wait_state("web", "running")
    server.wait_line("web", "err")
    return server


# --- check, without a server -----------------------------------------------------------------------


def test_check_of_good_files(server):
    server.add("db", SLEEP)
    server.add("web", SLEEP, requires=["db"])
    result = server.cli("check", server.services)
    assert (result.returncode, result.stdout) == (0, "2 files: 0 errors, 0 warnings\n")


def test_check_names_file_line_and_column(server):
    path = server.write("web.toml", '[service]\nname = "web"\nexce = "true"\nexec = 7\n')
    result = server.cli("check", path)
    assert result.returncode == 1
    assert f"{path}:3:1:" in result.stdout and 'did you mean "exec"' in result.stdout
    assert f"{path}:4:" in result.stdout
    found = json.loads(server.cli("check", path, "--json").stdout)
    assert {(p["file"], p["line"], p["level"]) for p in found} == {(str(path), 3, "error"), (str(path), 4, "error")}


def test_check_finds_cycles_and_what_is_missing(server):
    for name, needs in (("a", "b"), ("b", "c"), ("c", "a")):
        server.add(name, SLEEP, requires=[needs])
    server.add("self", SLEEP, after=["self"])
    server.add("lost", SLEEP, requires=["nobody"])
    result = server.cli("check", server.services)
    assert result.returncode == 1
    assert "a -> b -> c -> a" in result.stdout and "self.toml:5:" in result.stdout
    assert f"{server.services}/a.toml:" in result.stdout
    assert "warning" in result.stdout and "nobody" in result.stdout


def test_check_of_what_is_not_there(server):
    result = server.cli("check", server.dir / "nothing.toml")
    assert result.returncode == 1
    assert "nothing.toml" in result.stdout + result.stderr


# --- changing the set of services ------------------------------------------------------------------


def test_add_and_remove(pair):
    path = pair.dir / "extra.toml"
    path.write_text(service_toml("extra", exec=f"echo hello; {SLEEP}"))
    assert pair.cli("add", path).returncode == 0
    pair.wait_state("extra", "running")
    again = pair.cli("add", path)
    assert again.returncode == 1 and "extra" in again.stderr
    assert pair.cli("remove", "extra").returncode == 0
    wait_for(lambda: "extra" not in pair.all())


def test_add_of_a_bad_file_names_the_place(pair):
    path = pair.dir / "extra.toml"
    path.write_text('[service]\nname = "extra"\nexce = "true"\n')
    result = pair.cli("add", path)
    assert result.returncode == 1 and f"{path}:3:1:" in result.stderr
    assert "extra" not in pair.all()


def test_reload_tells_what_changed_and_what_is_bad(pair):
    pair.add("new", SLEEP)
    bad = pair.write("bad.toml", "[service]\nname = \"bad\"\n")
    result = pair.cli("reload")
    assert result.returncode == 1
    assert "new" in result.stdout and "1 added" in result.stdout and "1 invalid" in result.stdout
    assert str(bad) in result.stderr
    pair.wait_state("new", "running")


def test_bulk(pair):
    stopped = pair.cli("stop-all")
    assert stopped.returncode == 0 and "db" in stopped.stdout
    assert pair.pid("db") == 0 and pair.pid("web") == 0
    assert pair.cli("start-all").returncode == 0
    assert pair.state("db") == "running" and pair.state("web") == "running"


# --- looking and waiting ---------------------------------------------------------------------------


def test_several_at_once_are_asked_for_together(server):
    for n in range(5):
        server.add(f"s{n}", f"sleep 0.5; {SLEEP}", status="stop",
                   health={"type": "exec", "target": "sleep 0.3", "interval_ms": 100, "retries": 50})
    server.start()
    import time
    began = time.monotonic()
    result = server.cli("start", *(f"s{n}" for n in range(5)))
    assert result.returncode == 0, result
    assert sorted(line.split(":")[0] for line in result.stdout.splitlines()) == [f"s{n}" for n in range(5)]
    assert time.monotonic() - began < 5 * 0.5 + 3


def test_wait(pair):
    assert pair.cli("wait", "web").returncode == 0
    late = pair.cli("wait", "web", "--state", "down", "--timeout", "300ms")
    assert late.returncode == 4 and "web" in late.stderr


def test_no_wait(pair):
    assert pair.cli("stop", "web", "--no-wait").returncode == 0
    pair.wait_state("web", "exited", "inactive")


def test_events(pair):
    pair.cli("stop", "web")
    result = pair.cli("events")
    assert result.returncode == 0
    assert any("web" in line and "stopping" in line for line in result.stdout.splitlines())
    events = [json.loads(line) for line in pair.cli("events", "-n", "3", "--json").stdout.splitlines()]
    assert len(events) == 3 and all(event["cursor"] > 0 for event in events)
    rest = pair.cli("events", "--json", "--cursor", str(events[1]["cursor"])).stdout.splitlines()
    assert json.loads(rest[0])["cursor"] == events[1]["cursor"] + 1


def test_stats(pair):
    rows = pair.cli("stats").stdout.splitlines()
    assert rows[0].split() == ["NAME", "PID", "CPU%", "MEMORY", "PSS", "PROCS", "THREADS", "FDS", "READ",
                               "WRITTEN"]
    assert {row.split()[0] for row in rows[1:]} == {"db", "web"}
    assert json.loads(pair.cli("stats", "db", "--json").stdout)["db"]["pid"] == pair.pid("db")


def test_names_and_quiet(pair):
    assert pair.cli("list", "--names").stdout.split() == ["db", "web"]
    assert pair.cli("status", "db", "-q").stdout == ""
    assert pair.cli("restart", "db", "-q").stdout == ""


# --- logs ------------------------------------------------------------------------------------------


def test_streams_names_and_forms(pair):
    text = pair.cli("logs", "web").stdout.splitlines()
    assert [line.split(" ", 2)[2] for line in text] == ["web | out", "web ! err"]
    assert pair.cli("logs", "web", "-o", "short").stdout == "out\nerr\n"
    assert pair.cli("logs", "web", "--stream", "stderr", "-o", "raw").stdout == "err\n"
    merged = pair.cli("logs", "-o", "short").stdout.splitlines()
    assert sorted(merged) == ["db  | db is up", "web ! err", "web | out"]


def test_tags_and_patterns(pair):
    assert pair.cli("logs", "@data", "-o", "raw").stdout == "db is up\n"
    assert pair.cli("logs", "w*", "-o", "raw", "-n", "1").stdout == "err\n"
    nothing = pair.cli("logs", "@nobody")
    assert nothing.returncode == 1 and nothing.stderr


def test_colours_of_services_do_not_reach_a_pipe(server):
    server.add("web", f"printf '\\033[31mred\\033[0m \\033]0;title\\007\\n'; {SLEEP}")
    server.start()
    server.wait_line("web", "red")
    assert server.cli("logs", "web", "-o", "short").stdout == "red \n"
    assert server.cli("logs", "web", "-o", "short", "--color", "always").stdout == "\x1b[31mred\x1b[0m \x1b[0m\n"
    assert server.cli("logs", "web", "-o", "raw").stdout == "\x1b[31mred\x1b[0m \x1b]0;title\x07\n"


# --- rpc -------------------------------------------------------------------------------------------


def test_rpc(pair):
    assert json.loads(pair.cli("rpc", "service.status", '{"name": "db"}').stdout)["pid"] == pair.pid("db")
    assert pair.cli("rpc", "service.nothing").returncode == 1
    assert pair.cli("rpc", "service.status", '{"name": }').returncode == 2
    assert pair.cli("rpc", "no method").returncode == 2


def test_version_needs_no_server(server):
    result = server.cli("--version")
    assert result.returncode == 0 and result.stdout.startswith("zinit ")
    assert json.loads(server.cli("version", "--json").stdout)["server"] is None
