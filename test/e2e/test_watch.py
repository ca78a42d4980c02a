# SPDX-License-Identifier: Apache-2.0
"""Files whose change restarts or reloads a service: written in place, renamed over, made later, in directories made later."""
import os

import pytest
from harness.wait import stays, wait_for
from test_schedule import events

SLEEP = "exec sleep 1000"


@pytest.fixture
def conf(server):
    path = server.dir / "app.conf"
    path.write_text("one")
    return path


def restarted(server, name, pid):
    return server.wait_pid(name, other_than=pid)


def test_each_way_of_changing_it_restarts_once(server, conf):
    server.add("app", SLEEP, watch=[str(conf)])
    server.add("other", SLEEP, watch=[str(server.dir / "other.conf")])
    server.start()
    server.wait_state("app", "running")
    other = server.wait_pid("other")
    pid = server.pid("app")

    conf.write_text("two, in place")
    pid = restarted(server, "app", pid)
    beside = server.dir / ".app.conf.swp"
    beside.write_text("three, renamed over it")
    beside.rename(conf)
    pid = restarted(server, "app", pid)
    conf.unlink()
    stays(lambda: server.pid("app") == pid, 1)  # gone is no change yet
    conf.write_text("four")
    pid = restarted(server, "app", pid)
    for n in range(20):  # many writes are one change
        with conf.open("a") as file:
            file.write(str(n))
    pid = restarted(server, "app", pid)
    stays(lambda: server.pid("app") == pid, 1)
    assert server.pid("other") == other
    told = [e for e in events(server, "watch") if e["service"] == "app"]
    assert len(told) == 4 and str(conf)[-20:] in told[0]["cause"]
    assert any("a file that it watches changed" in e["cause"] for e in events(server, "state"))


def test_a_file_in_directories_that_come_later(server):
    path = server.dir / "etc" / "app" / "main.conf"
    server.add("app", SLEEP, watch=[str(path)])
    server.start()
    server.wait_state("app", "running")
    pid = server.pid("app")
    path.parent.mkdir(parents=True)
    path.write_text("here")
    pid = restarted(server, "app", pid)
    os.rename(server.dir / "etc", server.dir / "old")  # the whole directory is replaced
    path.parent.mkdir(parents=True)
    path.write_text("there")
    pid = restarted(server, "app", pid)
    path.write_text("and there again")
    restarted(server, "app", pid)


def test_reload_in_place_of_restart(server, conf):
    log = server.dir / "heard"
    server.write("app.toml", f"""
[service]
exec = "trap 'echo hup >> {log}' HUP; echo up; while :; do sleep 0.05; done"
watch = ["{conf}"]
watch_action = "reload"
""")
    server.start()
    server.wait_line("app", "up")
    pid = server.pid("app")
    conf.write_text("two")
    wait_for(lambda: log.exists() and "hup" in log.read_text())
    assert server.pid("app") == pid


def test_only_what_is_wanted_up(server, conf):
    server.add("off", SLEEP, watch=[str(conf)])
    server.add("broken", f"grep -q good {conf} && {SLEEP}", watch=[str(conf)], restart="never")
    server.start()
    assert server.cli("stop", "off").returncode == 0
    server.wait_state("broken", "failed")
    conf.write_text("good")
    server.wait_state("broken", "running")  # one that failed gets another try
    assert server.pid("off") == 0


def test_goes_on_after_a_crash_and_a_reload(server, conf):
    server.add("app", SLEEP, watch=[str(conf)])
    server.start()
    server.wait_state("app", "running")
    pid = server.pid("app")
    server.kill_brain()
    wait_for(server.answers)
    assert server.pid("app") == pid
    conf.write_text("two")
    pid = restarted(server, "app", pid)
    second = server.dir / "second.conf"
    server.add("app", SLEEP, watch=[str(second)])
    assert server.cli("reload").returncode == 0
    second.write_text("new")
    pid = restarted(server, "app", pid)
    conf.write_text("three")
    stays(lambda: server.pid("app") == pid, 1)


def test_paths_are_absolute(server):
    server.write("bad.toml", f'[service]\nexec = "{SLEEP}"\nwatch = ["relative.conf"]\n')
    assert "service.watch: expected absolute paths" in server.cli("check", server.dir / "services/bad.toml").stdout
