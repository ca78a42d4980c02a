# SPDX-License-Identifier: Apache-2.0
"""The flight recorder: what is kept of a crash, a failed health check, a kill at a time-out; bounded, and readable afterwards."""
import json
import os
import pathlib
import subprocess

import pytest
from harness import processes
from harness.wait import wait_for

SLEEP = "exec sleep 1000"


def incidents(server, *names):
    return server.rpc("incident.list", {"names": list(names)} if names else {})["incidents"]


def wait_incident(server, name, kind):
    """The newest incident of the service, once it is on disk, and of that kind."""
    found = wait_for(lambda: next((i for i in incidents(server, name) if i["kind"] == kind), None), 10, f"{kind} of {name}")
    return server.rpc("incident.show", {"name": found["id"]})


def lines(incident, service):
    return [line["content"] for line in incident["lines"] if line["service"] == service]


def test_crash(server):
    server.add("db", f"echo db is up; {SLEEP}")
    server.add("other", f"echo not asked; {SLEEP}")
    server.add("web", "echo serving; echo 'last words' >&2; kill -SEGV $$", requires=["db"], restart="never")
    server.start()
    incident = wait_incident(server, "web", "crash")
    assert incident["exit"]["signal"] == 11
    assert "SIGSEGV" in incident["text"]
    assert sorted(lines(incident, "web")) == ["last words", "serving"]
    assert lines(incident, "db") == ["db is up"]
    assert lines(incident, "other") == []
    states = {s["name"]: (s["relation"], s["state"]) for s in incident["services"]}
    assert states["db"] == ("requires", "running") and states["web"][0] == "self" and "other" not in states
    assert incident["run"] == 1 and incident["unrecorded"] == 0


def test_what_a_crash_leaves_behind(server):
    """The leader is gone; its child is looked at before anything is done to it."""
    server.add("web", "sleep 1000 & echo child $!; exit 3", restart="never", kill_mode="group")
    server.start()
    incident = wait_incident(server, "web", "crash")
    child = int(lines(incident, "web")[0].split()[1])
    assert incident["exit"]["code"] == 3 and "code 3" in incident["text"]
    assert [p["pid"] for p in incident["processes"]] == [child]  # perhaps a shell still, about to be sleep
    processes.kill(child)


def test_no_incident_where_nothing_went_wrong(server):
    server.add("web", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    server.add("once", "exit 0", oneshot=True)
    server.add("fine", "exit 4", oneshot=True, success_exit_codes=[4])
    server.start()
    server.wait_line("web", "ready")
    server.wait_state("once", "exited")
    server.wait_state("fine", "exited")
    server.cli("restart", "web")
    server.wait_line("web", "ready")
    server.cli("stop", "web")
    assert incidents(server) == []


def test_stop_timeout_with_a_stuck_process(server):
    """Taken before the kill: who is there, what it waits for, what it has open."""
    server.add("deaf", f"trap '' TERM; exec 7< {server.settings}; echo ready; exec sleep 1000", stop_timeout_ms=200)
    server.start()
    server.wait_line("deaf", "ready")
    pid = server.pid("deaf")
    server.cli("stop", "deaf")
    incident = wait_incident(server, "deaf", "stop_timeout")
    process = next(p for p in incident["processes"] if p["pid"] == pid)
    assert process["command"] == "sleep 1000" and process["state"] == "S"
    assert {"fd": 7, "target": str(server.settings)} in process["fds"]
    assert process["threads"][0]["tid"] == pid
    if os.geteuid() == 0:
        assert "sleep" in process["threads"][0]["wait"]
    assert lines(incident, "deaf") == ["ready"]
    assert "200 ms" in incident["text"]


def test_start_timeout(server):
    server.add("slow", f"echo not yet; {SLEEP}", start_timeout_ms=200, restart="never",
               health={"type": "tcp", "target": "127.0.0.1:1", "interval_ms": 50, "timeout_ms": 50, "retries": 1000})
    server.start()
    incident = wait_incident(server, "slow", "start_timeout")
    assert lines(incident, "slow") == ["not yet"]
    assert [p["command"] for p in incident["processes"]] == ["sleep 1000"]


@pytest.mark.parametrize("on_failure", ["restart", "stop", "mark"])
def test_health_failure(server, on_failure):
    sick = server.dir / "sick"
    server.add("web", f"echo well; {SLEEP}", health={"type": "exec", "target": f"test ! -e {sick}", "interval_ms": 20,
                                                     "timeout_ms": 5000, "retries": 2, "on_failure": on_failure})
    server.start()
    server.wait_state("web", "running")
    pid = server.pid("web")
    sick.touch()
    incident = wait_incident(server, "web", "health")
    assert "NonZeroExit" in incident["text"]
    assert pid in [p["pid"] for p in incident["processes"]], "looked at before it was stopped"
    assert incident["services"][0]["health"] == "unhealthy"
    assert lines(incident, "web")[0] == "well"


def test_crash_loop_is_bounded(server):
    """One record, the rest is counted; and restarts are as fast as ever."""
    server.add("web", "exit 1", restart_delay_ms=0, max_restarts=50)
    server.start()
    server.wait_state("web", "failed")
    assert len(incidents(server)) == 1


def test_survives_the_server(server):
    server.add("web", "echo one; exit 1", restart="never")
    server.start()
    incident = wait_incident(server, "web", "crash")
    server.kill_brain()
    assert server.rpc("incident.show", {"name": "web"}) == incident
    server.shutdown()
    files = list((server.logs / ".incidents").iterdir())
    assert [f.name for f in files] == [incident["id"] + ".json"]
    assert json.loads(files[0].read_text()) == incident
    assert files[0].stat().st_mode & 0o777 == 0o600


def test_command_line(server):
    server.add("web", f"while [ ! -e {server.dir}/go ]; do sleep 0.02; done; printf '\\033[31mred\\033[0m\\n'; exit 1",
               restart="never")
    server.start()
    assert "no incidents" in server.cli("incident").stderr
    (server.dir / "go").touch()
    incident = wait_incident(server, "web", "crash")
    listed = server.cli("incident", "list").stdout
    assert incident["id"] in listed and "exited with code 1" in listed
    assert json.loads(server.cli("incident", "list", "w*", "--json").stdout)[0]["id"] == incident["id"]
    assert json.loads(server.cli("incident", "list", "other*", "--json").stdout) == []
    shown = server.cli("incident", "show", "web").stdout
    assert "web (run 1" in shown and "| red" in shown and "\033" not in shown
    assert json.loads(server.cli("incident", "show", incident["id"], "--json").stdout) == incident
    assert server.cli("incident", "show", "ghost").returncode != 0
    assert server.cli("incident", "burn").returncode == 2


def test_full_disk(server):
    """Services are unaffected, it is said, and what waits is written when there is room."""
    place = server.dir / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("can't mount here")
    try:
        server.settings.write_text(f"[log]\ndir = {json.dumps(str(place / 'log'))}\n")
        server.add("web", f"echo up; {SLEEP}", store=False)
        server.add("bad", f"while [ ! -e {server.dir}/go ]; do sleep 0.02; done; exit 1", restart="never", store=False)
        server.start()
        server.wait_line("web", "up")
        with open(place / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * 4096)
            except OSError:
                pass
        (server.dir / "go").touch()
        server.says("incident", "can't be written", "No space")
        assert server.state("web") == "running"
        pathlib.Path(place / "ballast").unlink()
        wait_incident(server, "bad", "crash")
        server.shutdown()
    finally:
        subprocess.run(["umount", place], check=True)
