# SPDX-License-Identifier: Apache-2.0
"""Schedules: when a oneshot runs by itself, what happens when runs meet, and who hears of it."""
import datetime
import time

from harness import processes
from harness.killing import patiently
from harness.wait import stays, wait_for

SLEEP = "exec sleep 1000"


def job(server, name, command, schedule="@every 1s", **keys):
    server.add(name, command, oneshot=True, schedule=schedule, **keys)


def runs(server, name):
    return server.status(name)["run"]


def events(server, *kinds):
    """All events of these kinds so far."""
    with server.connect() as connection:
        connection.call("events.subscribe", {"cursor": 0})
        found = []
        last = server.rpc("system.info")["event_cursor"]
        while True:
            told = connection.notification()["params"]
            found += told.get("events", [])
            if told["cursor"] >= last:
                return [e for e in found if e["kind"] in kinds]


def test_runs_by_its_schedule_alone(server):
    job(server, "tick", "echo tick")
    job(server, "later", "echo no", schedule="0 0 1 1 *")
    server.start()
    assert server.status("later")["state"] == "inactive" and server.status("later")["wish"] == "up"
    assert server.state("tick") in ("inactive", "exited")
    wait_for(lambda: runs(server, "tick") >= 3, 15)
    assert any(e["to"] == "starting" and e["cause"] == "its schedule" for e in events(server, "state") if e["service"] == "tick")
    assert server.status("tick")["restart_count"] == 0
    assert runs(server, "later") == 0 and server.status("later")["state"] == "inactive"


def test_the_next_run_is_shown(server):
    job(server, "minutely", "true", schedule="* * * * *")
    job(server, "never", "true", schedule="0 0 30 2 *")
    job(server, "off", "true", schedule="* * * * *", status="stop")
    server.start()
    status = server.status("minutely")
    assert status["schedule"] == "* * * * *"
    next_run = status["next_run"] / 1000
    assert next_run % 60 == 0 and -1 <= next_run - time.time() <= 61
    assert "next run in" in server.cli("list").stdout and "next run in" in server.why("minutely")
    assert server.status("never")["next_run"] == 0 and "no next run" in server.why("never")
    assert server.status("off")["next_run"] == 0 and server.status("off")["wish"] == "down"
    yearly = datetime.datetime(datetime.datetime.now().year + 1, 1, 1)
    job(server, "minutely", "true", schedule="0 0 1 1 *")
    assert server.cli("reload").returncode == 0
    assert server.status("minutely")["next_run"] == yearly.timestamp() * 1000


def test_stop_takes_it_out_of_force_and_start_puts_it_back(server):
    job(server, "tick", "true")
    server.start()
    wait_for(lambda: runs(server, "tick") >= 1)
    assert server.cli("stop", "tick").returncode == 0
    n = runs(server, "tick")
    assert server.status("tick")["next_run"] == 0
    stays(lambda: runs(server, "tick") == n, 1.5)
    assert server.cli("start", "tick").returncode == 0
    assert runs(server, "tick") == n + 1  # at once
    wait_for(lambda: runs(server, "tick") > n + 1)


def test_overlap_skip(server):
    job(server, "long", SLEEP)
    server.start()
    pid = server.wait_pid("long")
    skipped = wait_for(lambda: events(server, "schedule"))
    assert "skipped" in skipped[0]["cause"] and skipped[0]["service"] == "long"
    assert server.pid("long") == pid and runs(server, "long") == 1


def test_overlap_restart(server):
    job(server, "long", SLEEP, schedule_overlap="restart")
    server.start()
    pid = server.wait_pid("long")
    server.wait_pid("long", other_than=pid)
    assert not processes.alive(pid)


def test_overlap_queue(server):
    """However often it is due meanwhile, one run follows; and a stop takes that back."""
    go = server.dir / "go"
    job(server, "long", f"while [ ! -e {go} ]; do sleep 0.02; done", schedule_overlap="queue")
    server.start()
    server.wait_pid("long")
    wait_for(lambda: any("queued" in e["cause"] for e in events(server, "schedule")))
    wait_for(lambda: any("another waits" in e["cause"] for e in events(server, "schedule")))
    assert runs(server, "long") == 1
    server.kill_brain()  # the queue is on record
    go.write_text("")
    wait_for(lambda: runs(server, "long") == 2)
    go.unlink()
    server.wait_pid("long")
    n = runs(server, "long")
    wait_for(lambda: sum("queued" in e["cause"] for e in events(server, "schedule")) >= 2)
    assert server.cli("stop", "long").returncode == 0
    stays(lambda: runs(server, "long") == n, 1.5)


def test_it_waits_for_what_it_requires_and_starts_nothing_itself(server):
    server.add("db", SLEEP)
    job(server, "backup", "true", requires=["db"])
    server.start()
    wait_for(lambda: runs(server, "backup") >= 1)
    assert server.cli("stop", "db").returncode == 0
    n = runs(server, "backup")
    server.wait_state("backup", "blocked")
    stays(lambda: server.state("db") != "running" and runs(server, "backup") == n, 1.2)
    assert server.cli("start", "db").returncode == 0
    wait_for(lambda: runs(server, "backup") > n)


def test_a_crash_of_the_server_loses_and_doubles_nothing(server):
    count = server.dir / "count"
    job(server, "tick", f"echo x >> {count}")
    job(server, "cron", "true", schedule="0 0 1 1 *")
    server.start()
    begun = time.monotonic()
    before = server.status("cron")["next_run"]
    for _ in range(4):
        n = patiently(lambda: runs(server, "tick"))
        wait_for(lambda: patiently(lambda: runs(server, "tick")) > n)
        server.kill_brain()
    patiently(lambda: server.status("tick"))
    assert server.status("cron")["next_run"] == before
    wait_for(lambda: server.state("tick") == "exited")
    done, spent = len(count.read_text().split()), time.monotonic() - begun
    assert abs(done - runs(server, "tick")) <= 1  # one may have begun since
    assert done <= spent + 1, "more runs than seconds"


def test_a_failing_run_is_tried_again_by_its_policy_and_by_its_schedule(server):
    job(server, "bad", "exit 3", restart="never")
    server.start()
    wait_for(lambda: runs(server, "bad") >= 2)
    assert server.status("bad")["reason"]["code"] == 3 if server.state("bad") == "failed" else True


def test_without_its_schedule_it_starts_as_others_do(server):
    job(server, "later", "echo ran; sleep 0.1", schedule="0 0 1 1 *")
    server.start()
    server.add("later", "echo ran; sleep 0.1", oneshot=True)
    assert server.cli("reload").returncode == 0
    wait_for(lambda: runs(server, "later") == 1)


def test_only_a_oneshot_has_one(server):
    server.write("bad.toml", f'[service]\nexec = "{SLEEP}"\n[lifecycle]\nschedule = "@every 1s"\n')
    server.write("worse.toml", '[service]\nexec = "true"\noneshot = true\n[lifecycle]\nschedule = "61 * * * *"\n')
    assert "lifecycle.schedule" in server.cli("check", server.dir / "services/bad.toml").stdout
    assert "lifecycle.schedule" in server.cli("check", server.dir / "services/worse.toml").stdout
