# SPDX-License-Identifier: Apache-2.0
"""Health checks: readiness first, then liveness; by command, by what the service says. Over the network: test_health_network.py."""
import errno
import json
import shutil
import signal
import socket
import sys
import time

import pytest
from harness import processes, rude
from harness.killing import patiently
from harness.wait import SLOWNESS, stays, wait_for

SLEEP = "exec sleep 1000"

NOTIFY = """
import os, socket, sys, time
nap = time.sleep
path = os.environ["NOTIFY_SOCKET"]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
say = lambda text: s.sendto(text.encode(), path)
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def python(code):
    return [sys.executable, "-u", "-c", NOTIFY + code]


def health(kind, target=None, timeout_ms=1000, interval_ms=200, retries=2, **keys):
    keys.update(type=kind, timeout_ms=timeout_ms, interval_ms=interval_ms, retries=retries)
    if target is not None:
        keys["target"] = target
    return keys


def never_ready(server, name="web"):
    """Wait for a probe that failed, and return what it said."""
    return wait_for(lambda: server.status(name).get("health_error"), 10, "a probe failed")


def failed_by_health(server, name="web", timeout=10):
    server.wait_state(name, "failed", timeout=timeout)
    return server.rpc("service.status_full", {"name": name})


# --- exec ----------------------------------------------------------------------------------------


def test_exec_runs_as_the_service_does(server):
    server.add("web", SLEEP, dir="/usr", env={"WORD": "yes"}, restart="never",
               health=health("exec", '[ "$WORD" = yes ] && [ "$(pwd)" = /usr ]'))
    server.start()
    server.wait_state("web", "running")


def test_exec_runs_as_the_services_user(server):
    server.add("web", SLEEP, user="nobody", restart="never", health=health("exec", ["sh", "-c", "echo I am $(id -un); exit 1"]))
    server.start()
    assert "I am nobody" in never_ready(server)


def test_output_is_shown_beside_the_error_it_belongs_to(server):
    """The command recovers, another check fails: what the command printed is not that one's."""
    flag = server.dir / "flag"
    server.write("web.toml", f"""
[service]
exec = "{SLEEP}"
[[health]]
type = "exec"
target = "[ -e {flag} ] || {{ echo not yet; exit 1; }}"
interval_ms = 50
retries = 1000000
[[health]]
type = "tcp"
target = "127.0.0.1:1"
interval_ms = 20000
retries = 1000000
""")
    server.start()
    wait_for(lambda: server.status("web")["health_output"] == "not yet\n")
    flag.write_text("")
    status = wait_for(lambda: (s := server.status("web"))["health_error_kind"] == "Connect" and s)
    wait_for(lambda: server.status("web")["health_error_kind"] == "Connect" and not server.status("web")["health_output"])
    assert "refused" in status["health_error"]


def test_exec_output_is_in_the_report(server):
    server.add("web", SLEEP, restart="never", health=health("exec", "echo first; echo the disk is full >&2; exit 3"))
    server.start()
    assert never_ready(server) == "the command exited with code 3: the disk is full"
    status = server.status("web")
    assert status["health_error_kind"] == "NonZeroExit" and status["health_output"] == "first\nthe disk is full\n"
    assert status["health_duration_us"] > 0
    reason = failed_by_health(server)["state"]["reason"]
    assert (reason["type"], reason["attempts"]) == ("health_check_failed", 2)


def test_exec_that_hangs_is_one_at_a_time_and_leaves_nothing(server):
    """The probe sleeps for ever, with a child in its group and one in a session of its own."""
    mark = f"{server.dir}/probe-mark"
    server.add("web", SLEEP, restart="never",
               health=health("exec", f"setsid -f sh -c 'trap \"\" TERM; while :; do sleep 1; done # {mark}'; "
                                     f"sh -c 'sleep 1000; : {mark}' & exec tail -f /dev/null {mark}",
                             timeout_ms=400, interval_ms=400, retries=3))
    server.start()

    def probes():
        return [pid for pid in processes.marked(mark.encode())]

    most = 0
    begun = time.monotonic()
    while server.state("web") == "starting":
        # by group: a child between fork and exec looks like its parent
        groups = {fields[2] for pid in probes() if "tail" in processes.command(pid) and (fields := processes.stat(pid))}
        most = max(most, len(groups))
    assert most == 1
    assert time.monotonic() - begun < 4 * SLOWNESS
    reason = failed_by_health(server)["state"]["reason"]
    assert (reason["type"], reason["attempts"]) == ("health_check_failed", 3)
    wait_for(lambda: not probes())


def test_exec_leftovers_of_a_good_probe_are_ended(server):
    mark = f"{server.dir}/good-mark"
    server.add("web", SLEEP, health=health("exec", f"setsid -f sh -c 'sleep 1000; : {mark}'; exit 0"))
    server.start()
    server.wait_state("web", "running")
    pid = server.pid("web")
    wait_for(lambda: not [p for p in processes.marked(mark.encode()) if "sleep 1000" in processes.command(p)])
    assert server.pid("web") == pid


def test_exec_errors(server):
    server.add("code", SLEEP, restart="never", health=health("exec", "exit 7"))
    server.add("signal", SLEEP, restart="never", health=health("exec", "kill -9 $$"))
    server.add("missing", SLEEP, restart="never", health=health("exec", ["/no/such/probe"]))
    server.start()
    assert "exited with code 7" in never_ready(server, "code")
    assert "SIGKILL" in never_ready(server, "signal")
    assert "No such file" in never_ready(server, "missing")
    for name, kind, number in (("code", "NonZeroExit", 7), ("signal", "NonZeroExit", -signal.SIGKILL),
                               ("missing", "Exec", errno.ENOENT)):
        status = failed_by_health(server, name)
        assert (status["health_error_kind"], status["health_error_value"]) == (kind, number)


# --- what the service says -----------------------------------------------------------------------


def test_notify(server):
    server.add("web", python("""
nap(0.3)
say("STATUS=warming up")
nap(0.3)
say("READY=1\\nSTATUS=serving")
nap(1000)
"""), health=health("notify"))
    server.start()
    wait_for(lambda: server.state("web") == "starting")
    server.wait_state("web", "running")
    status = server.status("web")
    assert (status["health"], status["status_text"]) == ("healthy", "serving")


def test_notify_of_strangers_is_refused(server):
    server.add("web", python('print(path); nap(1000)'), start_timeout_ms=1500, restart="never", health=health("notify"))
    server.start()
    path = server.wait_line("web", "/web")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"READY=1", path)
        server.wait_state("web", "failed")
    assert "start_timeout" in json.dumps(server.rpc("service.status_full", {"name": "web"}))
    assert server.says("refused", "not the service's")


def test_notify_by_a_child_that_is_gone_at_once(server):
    server.add("web", ["sh", "-c", f"""{sys.executable} -c 'import os,socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])'; exec sleep 1000"""],
               health=health("notify"))
    server.start()
    server.wait_state("web", "running")


def test_watchdog(server):
    """It pings for a while, then hangs: restarted."""
    server.add("web", python("""
assert os.environ["WATCHDOG_USEC"] == "200000"
say("READY=1")
for _ in range(10):
    say("WATCHDOG=1"); nap(0.1)
nap(1000)
"""), restart_delay_ms=50, health=health("notify"))
    server.start()
    server.wait_state("web", "running")
    first = server.pid("web")
    begun = time.monotonic()
    server.wait_pid("web", other_than=first)
    assert time.monotonic() - begun > 0.8
    assert server.restarts("web") == 1


def test_more_time_is_given_when_asked(server):
    server.add("slow", python("""
for _ in range(6):
    say("EXTEND_TIMEOUT_USEC=600000"); nap(0.3)
say("READY=1"); nap(1000)
"""), start_timeout_ms=700, restart="never", health=health("notify"))
    server.add("idle", python("nap(1000)"), start_timeout_ms=700, restart="never", health=health("notify"))
    server.start()
    server.wait_state("slow", "running")
    server.wait_state("idle", "failed")


def test_more_time_is_given_for_the_end_too(server):
    server.add("web", python("""
import signal
def end(*_):
    for _ in range(5):
        say("EXTEND_TIMEOUT_USEC=600000"); nap(0.2)
    say("STATUS=all saved"); os._exit(0)
signal.signal(signal.SIGTERM, end)
say("READY=1")
while True: nap(1000)
"""), stop_timeout_ms=400, health=health("notify"))
    server.start()
    server.wait_state("web", "running")
    assert server.cli("stop", "web").returncode == 0
    status = server.status("web")
    assert (status["status_text"], status["exit_signal"]) == ("all saved", 0)


def test_notify_tells_of_reloading_and_stopping_and_no_other_main_process(server):
    server.add("web", python("""
sys.stdin = None
say("READY=1")
go = sys.argv[1]
while not os.path.exists(go): nap(0.01)
child = os.fork()
if child == 0:
    nap(1000)
say("MAINPID=%d" % child)
say("RELOADING=1\\nMONOTONIC_USEC=1"); say("READY=1"); say("STOPPING=1\\nSTATUS=bye")
nap(1000)
""") + [str(server.dir / "go")], health=health("notify"))
    server.start()
    server.wait_state("web", "running")
    pid = server.pid("web")
    with server.connect() as connection:
        connection.call("events.subscribe", {"names": "web"})
        (server.dir / "go").write_text("")
        causes = []
        while len(causes) < 2:
            causes += [e["cause"] for e in connection.notification()["params"]["events"] if e["kind"] == "health"]
    assert causes == ["reloading", "stopping"]
    assert server.says("web", "another MAINPID")
    wait_for(lambda: server.status("web")["status_text"] == "bye")
    assert server.pid("web") == pid and server.state("web") == "running"


def test_watchdog_trigger(server):
    """It says itself that it is not well: at once, whatever the retries."""
    server.add("web", python("""
say("READY=1")
if os.path.exists(sys.argv[1]): nap(1000)
open(sys.argv[1], "w").close()
say("WATCHDOG=trigger"); nap(1000)
""") + [str(server.dir / "once")], restart_delay_ms=10, health=health("notify", interval_ms=3600000, retries=1000))
    server.start()
    wait_for(lambda: server.restarts("web") == 1 and server.state("web") == "running")


def test_newline_on_a_descriptor(server):
    server.add("web", "sleep 0.3; printf 'ok\\n' >&5; exec 5>&-; exec sleep 1000", health=health("notify", "fd:5"))
    server.add("mute", "exec 5>&-; exec sleep 1000", start_timeout_ms=600, restart="never", health=health("notify", "fd:5"))
    server.start()
    server.wait_state("web", "running")
    assert "without a newline" in never_ready(server, "mute")
    server.wait_state("mute", "failed")


def test_line_in_the_log(server):
    server.add("early", "echo ready to serve; exec sleep 1000", health=health("log", "^ready"))
    server.add("late", "for i in 1 2 3 4; do echo not $i; sleep 0.1; done; echo ready to serve; exec sleep 1000",
               health=health("log", "^ready to (serve|go)$"))
    server.add("never", "echo nothing; exec sleep 1000", start_timeout_ms=800, restart="never", health=health("log", "^ready"))
    server.start()
    for name in ("early", "late"):
        server.wait_state(name, "running")
    assert "ready to serve" in server.lines("late")
    server.wait_state("never", "failed")


def test_line_of_an_earlier_run_does_not_count(server):
    flag = server.dir / "flag"
    server.add("web", f"[ -e {flag} ] || echo ready; touch {flag}; exec sleep 1000", start_timeout_ms=500,
               restart_delay_ms=20, max_restarts=1, health=health("log", "^ready"))
    server.start()
    server.wait_state("web", "running")
    processes.kill(server.pid("web"))
    server.wait_state("web", "failed")
    assert "start" in server.why("web")


# --- liveness ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_failure", "state"), [("restart", "running"), ("stop", "failed"), ("mark", "running")])
def test_on_failure(server, on_failure, state):
    flag = server.dir / "sick"
    server.add("web", f"rm -f {flag}; echo up; exec sleep 1000", restart_delay_ms=50,
               health=health("exec", f"[ ! -e {flag} ]", timeout_ms=5000, interval_ms=50, on_failure=on_failure))
    server.start()
    server.wait_state("web", "running")
    server.wait_line("web", "up")
    pid = server.pid("web")
    flag.write_text("")
    if on_failure == "restart":
        server.wait_pid("web", other_than=pid)
        server.wait_state("web", "running")
        assert server.restarts("web") == 1
    elif on_failure == "stop":
        wait_for(lambda: not processes.alive(pid))
        server.wait_state("web", "failed", "exited", "inactive")
        stays(lambda: server.pid("web") == 0, 0.5)
    else:
        wait_for(lambda: server.status("web")["health"] == "unhealthy")
        flag.unlink()
        wait_for(lambda: server.status("web")["health"] == "healthy")
        assert server.pid("web") == pid


@pytest.mark.parametrize(("on_failure", "again"), [("restart", True), ("stop", False)])
def test_on_failure_before_it_was_ever_ready(server, on_failure, again):
    """Never ready: "restart" tries again and again, "stop" ends it for good, and whoever waits for it learns that."""
    server.add("web", SLEEP, restart_delay_ms=10,
               health=health("exec", "exit 3", timeout_ms=10000, interval_ms=20, on_failure=on_failure))
    server.add("user", SLEEP, requires=["web"])
    server.start()
    if again:
        wait_for(lambda: server.status("web")["run"] >= 3)
        return
    assert failed_by_health(server)["state"]["reason"]["type"] == "health_check_failed"
    server.wait_state("user", "failed")
    stays(lambda: server.state("web") == "failed", 0.3)
    assert server.status("web")["run"] == 1 and server.status("web")["wish"] == "down"
    # a person may try again
    assert server.cli("start", "--no-wait", "web").returncode == 0
    wait_for(lambda: server.status("web")["run"] == 2)


def test_a_subscriber_hears_of_a_mark_at_once(server):
    """Nothing else happens that would carry the news along."""
    flag = server.dir / "sick"
    server.add("web", SLEEP, health=health("exec", f"[ ! -e {flag} ]", timeout_ms=5000, interval_ms=50, on_failure="mark"))
    server.start()
    server.wait_state("web", "running")
    with server.connect() as connection:
        connection.call("events.subscribe", {"names": "web"})
        flag.write_text("")
        event = connection.notification()["params"]["events"][0]
        assert event["kind"] == "health" and "NonZeroExit" in event["cause"] and "unhealthy after 2" in event["cause"]


def test_retries_in_a_row(server):
    """Every second probe fails: never two in a row."""
    count = server.dir / "count"
    server.add("web", SLEEP, health=health("exec", f"echo x >> {count}; [ $(($(wc -l < {count}) % 2)) = 1 ]",
                                              timeout_ms=20000, interval_ms=30))
    server.start()
    server.wait_state("web", "running")
    pid = server.pid("web")
    wait_for(lambda: len(count.read_text().split()) > 16)
    assert server.pid("web") == pid and server.status("web")["health"] == "healthy"


def test_start_period_forgives(server):
    flag = server.dir / "up"
    server.add("web", f"sleep 0.8; touch {flag}; exec sleep 1000", restart="never",
               health=health("exec", f"[ -e {flag} ]", timeout_ms=10000, interval_ms=100, start_period_ms=10000))
    server.start()
    server.wait_state("web", "running")


def test_several_checks_must_all_succeed(server):
    one, two = server.dir / "one", server.dir / "two"
    server.write("web.toml", f"""
[service]
name = "web"
exec = "{SLEEP}"
[[health]]
type = "exec"
target = "test -e {one}"
interval_ms = 100
retries = 1000
[[health]]
type = "exec"
target = "test -e {two}"
interval_ms = 100
retries = 1000
on_failure = "mark"
""")
    server.start()
    server.wait_state("web", "starting")
    one.write_text("")
    stays(lambda: server.state("web") == "starting", 0.4)
    two.write_text("")
    server.wait_state("web", "running")


def test_ready_too_late(server):
    """The start time-out rules: killed, named, counted as a failure. Ready in time: running."""
    port = free_port()
    server.add("late", "sleep 5; exec sleep 1000", start_timeout_ms=600, restart="never",
               health=health("tcp", f"127.0.0.1:{port}", interval_ms=10000))
    server.add("again", SLEEP, start_timeout_ms=100, restart_delay_ms=10, max_restarts=2,
               health=health("tcp", f"127.0.0.1:{port}", interval_ms=10000))
    listening = free_port()
    server.add("good", f"sleep 0.3; exec socat TCP-LISTEN:{listening},fork,bind=127.0.0.1 EXEC:cat", start_timeout_ms=20000,
               health=health("tcp", f"127.0.0.1:{listening}", retries=1000))
    server.start()
    pid = server.wait_pid("late")
    server.wait_state("late", "failed")
    assert server.rpc("service.status_full", {"name": "late"})["state"]["reason"]["type"] == "start_timeout"
    assert not processes.alive(pid) and server.status("late")["ready_duration_us"] == 0
    wait_for(lambda: server.state("again") == "failed" and server.restarts("again") == 2)
    server.wait_state("good", "running")
    assert 300000 <= server.status("good")["ready_duration_us"] <= server.status("good")["uptime_ms"] * 1000 + 999


def test_no_probe_of_a_stopped_service(server):
    with rude.Rude(rude.fine) as host:
        server.add("web", SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/", interval_ms=50))
        server.start()
        server.wait_state("web", "running")
        wait_for(lambda: len(host.asked) > 5)
        assert server.cli("stop", "web").returncode == 0
        n = len(host.asked)
        stays(lambda: len(host.asked) <= n + 1, 0.5)
        assert not server.status("web").get("health_error")


@pytest.mark.parametrize("kind", ["http", "exec"])
def test_an_answer_that_comes_after_the_stop_finds_nobody(server, kind):
    """A probe is under way when the service is stopped; its failure is no news any more."""
    mark = f"{server.dir}/late-mark"
    with rude.Rude(rude.silent) as host:
        target = {"http": f"http://127.0.0.1:{host.port}/", "exec": ["tail", "-f", "/dev/null", mark]}[kind]
        server.add("web", SLEEP, restart="always", restart_delay_ms=10,
                   health=health(kind, target, timeout_ms=500, interval_ms=100, retries=1))
        server.start()
        wait_for(lambda: host.asked if kind == "http" else processes.marked(mark.encode()))
        assert server.cli("stop", "web").returncode == 0
        with server.connect() as connection:
            last = connection.call("events.subscribe", {"names": "web"})["cursor"]
            stays(lambda: server.state("web") in ("inactive", "exited") and not server.status("web")["health_error"], 0.8)
            assert connection.call("events.subscribe", {"names": "web"})["cursor"] == last
    assert not processes.marked(mark.encode())


def test_a_reload_of_the_checks_keeps_the_process(server):
    flag = server.dir / "flag"
    server.add("web", SLEEP, health=health("exec", "true", interval_ms=50))
    server.start()
    server.wait_state("web", "running")
    pid = server.pid("web")
    server.add("web", SLEEP, health=health("exec", f"touch {flag}", interval_ms=60))
    assert server.cli("reload").returncode == 0
    wait_for(flag.exists)
    assert server.pid("web") == pid and server.state("web") == "running"


# --- the server crashes --------------------------------------------------------------------------


def test_probing_goes_on_after_a_crash(server):
    flag = server.dir / "sick"
    with rude.Rude(rude.fine) as host:
        server.add("web", SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/", interval_ms=50))
        server.add("app", f"rm -f {flag}; echo up; exec sleep 1000", restart_delay_ms=50,
                   health=health("exec", f"[ ! -e {flag} ]", timeout_ms=5000, interval_ms=50))
        server.start()
        server.wait_state("web", "running")
        server.wait_state("app", "running")
        server.wait_line("app", "up")
        before = server.pid("web"), server.pid("app")
        server.kill_brain()
        n = len(host.asked)
        wait_for(lambda: len(host.asked) > n + 3)
        assert (server.pid("web"), server.pid("app")) == before
        assert server.state("web") == "running"
        flag.write_text("")
        server.wait_pid("app", other_than=before[1])


def test_a_planned_restart_amid_probes_leaves_nothing(server):
    """Probes that are being spawned, run, or wait for their turn when the server ends: under a leak checker all must be freed."""
    for n in range(20):
        server.add(f"busy{n}", SLEEP, health=health("exec", "true", timeout_ms=20000, interval_ms=1))
        server.add(f"slow{n}", SLEEP, health=health("exec", "exec sleep 1001", timeout_ms=20000, interval_ms=1, retries=1000))
    server.start()
    server.wait_state("busy19", "running")
    for _ in range(3):
        brain = server.brain()
        server.rpc("system.prepare_restart")
        wait_for(lambda: not processes.alive(brain))
        wait_for(lambda: patiently(lambda: server.status("busy7"))["health"] == "healthy")
    assert server.restarts("busy7") == 0


def test_readiness_survives_a_crash(server):
    """Said while no server was there, or before; each way of saying it."""
    go = server.dir / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"
    server.add("notify", python(f"""
while not os.path.exists({str(go)!r}): nap(0.05)
say("READY=1"); nap(1000)
"""), health=health("notify"))
    server.add("fd", f"{wait}; echo >&5; exec sleep 1000", health=health("notify", "fd:5"))
    server.add("log", f"{wait}; echo up; exec sleep 1000", health=health("log", "^up$"))
    server.start()
    for name in ("notify", "fd", "log"):
        server.wait_pid(name)
    pids = {name: server.pid(name) for name in ("notify", "fd", "log")}
    processes.kill(server.brain())
    go.write_text("")
    for name, pid in pids.items():
        wait_for(server.answers, 10)
        server.wait_state(name, "running")
        assert server.pid(name) == pid


def test_a_probe_under_way_at_a_crash_is_ended(server):
    mark = f"{server.dir}/hang-mark"
    server.add("web", SLEEP, start_timeout_ms=60000,
               health=health("exec", ["tail", "-f", "/dev/null", mark], timeout_ms=30000, interval_ms=100))
    server.start()
    old = wait_for(lambda: processes.marked(mark.encode()))
    server.kill_brain()
    wait_for(lambda: (now := processes.marked(mark.encode())) and not set(now) & set(old) and len(now) == 1)


# --- real servers --------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server")
def test_redis(server):
    port = free_port()
    server.add("redis", ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
               health=health("exec", f"redis-cli -p {port} ping | grep PONG", retries=50))
    server.start()
    server.wait_state("redis", "running")


@pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server")
def test_redis_notifies(server):
    """redis speaks sd_notify where it was built with libsystemd; else by a line in its log."""
    port = free_port()
    server.add("redis", ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
               health=health("log", "Ready to accept connections"))
    server.start()
    server.wait_state("redis", "running")
    socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx")
def test_nginx(server):
    port = free_port()
    conf = server.dir / "nginx.conf"
    conf.write_text(f"""daemon off; pid {server.dir}/nginx.pid; error_log stderr;
events {{}}
http {{ access_log off; server {{ listen 127.0.0.1:{port};
  location /ok {{ return 200 "fine"; }}
  location /down {{ return 503; }} }} }}""")
    server.add("nginx", ["nginx", "-c", str(conf)],
               health=health("http", f"http://127.0.0.1:{port}/ok", body="^fine$", retries=50))
    server.add("down", SLEEP, requires=["nginx"], restart="never", health=health("http", f"http://127.0.0.1:{port}/down"))
    server.start()
    server.wait_state("nginx", "running")
    assert never_ready(server, "down") == "HTTP status 503"
