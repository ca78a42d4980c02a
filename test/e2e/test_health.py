# SPDX-License-Identifier: Apache-2.0
"""Health checks: readiness first, then liveness; every kind of check, against good servers and rude ones."""
import contextlib
import errno
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
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


# --- tcp -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tcp_gates_running(server, host):
    port = free_port()
    server.add("web", f"sleep 0.4; exec {sys.executable} -m http.server -b 127.0.0.1 {port}",
               health=health("tcp", f"{host}:{port}", retries=100))
    server.add("after", SLEEP, requires=["web"])
    server.start()
    assert server.state("web") == "starting" and server.state("after") == "blocked"
    server.wait_state("web", "running")
    server.wait_state("after", "running")
    assert server.status("web")["health"] == "healthy"


def test_tcp_of_a_unix_socket(server):
    path = server.dir / "its-socket"
    server.add("web", f"sleep 0.2; exec socat UNIX-LISTEN:{path},fork EXEC:cat", health=health("tcp", f"unix:{path}", retries=50))
    server.start()
    server.wait_state("web", "running")


def test_tcp_by_name_goes_to_the_prober(server):
    name = socket.gethostname()
    with socket.create_server(("", 0)) as listener:
        try:
            socket.create_connection((name, listener.getsockname()[1])).close()
        except OSError:
            pytest.skip(f"{name} is not an address of ours")
        server.add("web", SLEEP, health=health("tcp", f"{name}:{listener.getsockname()[1]}"))
        server.start()
        server.wait_state("web", "running")


@pytest.mark.parametrize(("target", "error", "kind", "number"), [
    ("127.0.0.1:1", "refused", "Connect", errno.ECONNREFUSED),
    ("localhost:1", "refused", "Connect", errno.ECONNREFUSED),
    ("unix:/nonexistent/socket", "No such file", "Connect", errno.ENOENT),
    ("no-such-host.invalid:80", "resolve", "NameNotFound", 0),
])
def test_tcp_errors_are_named(server, target, error, kind, number):
    server.add("web", SLEEP, restart="never", health=health("tcp", target, timeout_ms=3000))
    server.start()
    assert error in never_ready(server)
    status = failed_by_health(server)
    assert status["state"]["reason"]["type"] == "health_check_failed"
    assert (status["health_error_kind"], status["health_error_value"]) == (kind, number)


def private_file(target, content, tmp_path):
    """A command before the server's: to it alone `target` holds `content`."""
    source = tmp_path / "private"
    source.write_text(content)
    prefix = ["unshare", "-m", "sh", "-c", f'mount --bind {source} {target} && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace of our own")
    return prefix


@pytest.mark.parametrize("first", ["refuses", "says nothing"])
def test_every_address_of_a_name_is_tried(server, tmp_path, first):
    """Two addresses; only the second one has somebody."""
    private = private_file("/etc/hosts", "127.0.0.2 two.test\n127.0.0.3 two.test\n", tmp_path)
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(socket.create_server(("127.0.0.3", 0)))
        port = good.getsockname()[1]
        if first == "says nothing":
            full_queue(stack, ("127.0.0.2", port))
        server.add("web", SLEEP, restart="never", health=health("tcp", f"two.test:{port}", timeout_ms=2000))
        server.start(prefix=private)
        server.wait_state("web", "running")
        good.settimeout(5)
        assert good.accept()[0].getsockname()[0] == "127.0.0.3"


@pytest.mark.parametrize("kind", ["address", "name", "http"])
def test_an_unreachable_address_is_named(server, tmp_path, kind):
    """A network of its own, in which there is no way to anywhere."""
    private = ["unshare", "-n", *private_file("/etc/hosts", "192.0.2.1 far.test\n", tmp_path)[1:]]
    private[1:2] = ["-n", "-m"]
    check = {"address": ("tcp", "192.0.2.1:80"), "name": ("tcp", "far.test:80"), "http": ("http", "http://192.0.2.1/")}[kind]
    server.add("web", SLEEP, restart="never", health=health(*check, timeout_ms=5000))
    server.start(prefix=private)
    assert "unreachable" in never_ready(server)
    status = failed_by_health(server)
    assert (status["health_error_kind"], status["health_error_value"]) == ("Connect", errno.ENETUNREACH)


def test_a_name_server_that_never_answers(server, tmp_path):
    """The look-up ends at the time-out, and other checks are asked meanwhile."""
    private = private_file("/etc/resolv.conf", "nameserver 127.0.0.99\noptions timeout:30 attempts:5\n", tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute, rude.Rude(rude.fine) as host:
        try:
            mute.bind(("127.0.0.99", 53))
        except OSError as error:
            pytest.skip(f"no name server of our own: {error}")
        server.add("good", SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/", interval_ms=50, retries=50))
        server.add("tcp", SLEEP, restart="never", health=health("tcp", "mute.test:80", timeout_ms=600))
        server.add("http", SLEEP, restart="never", health=health("http", "http://mute.test/", timeout_ms=600))
        server.start(prefix=private)
        server.wait_state("good", "running")
        for name in ("tcp", "http"):
            failed_by_health(server, name)
            assert server.status(name)["health_error_kind"] == "Timeout"
        assert mute.recv(512, socket.MSG_DONTWAIT)
        gaps = [b - a for a, b in zip(host.asked[1:], host.asked[2:])]
        assert max(gaps) < 0.5 * SLOWNESS


def full_queue(stack, address):
    """A listener whose queue is full drops what comes: nobody answers, nobody refuses. Its port."""
    listener = stack.enter_context(socket.socket())
    listener.bind(address)
    listener.listen(0)
    for _ in range(4):
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
    return listener.getsockname()[1]


def test_tcp_black_hole_ends_at_the_time_out(server):
    with contextlib.ExitStack() as stack:
        port = full_queue(stack, ("127.0.0.1", 0))
        server.add("web", SLEEP, restart="never", health=health("tcp", f"127.0.0.1:{port}", timeout_ms=500))
        server.start()
        begun = time.monotonic()
        assert "time-out" in never_ready(server)
        assert time.monotonic() - begun < 2 * SLOWNESS
        failed_by_health(server)
        assert server.status("web")["health_error_kind"] == "Timeout"


# --- http ----------------------------------------------------------------------------------------


RUDE = [
    (rude.silent, "timed out", "Timeout", 0),
    (rude.drip, "timed out", "Timeout", 0),
    (rude.drip_headers, "timed out", "Timeout", 0),
    (rude.endless_headers, "longer than", "TooLarge", 0),
    (rude.gigabyte, "longer than", "TooLarge", 0),
    (rude.redirect, "status 302", "UnexpectedStatus", 302),
    (rude.reset, "reset", "Connect", errno.ECONNRESET),
    (rude.garbage, "", "Malformed", 0),
    (rude.hang_up, "Empty reply", "Malformed", 0),
    (rude.broken, "status 503", "UnexpectedStatus", 503),
]


@pytest.mark.parametrize(("behaviour", "word", "kind", "number"), RUDE)
def test_http_of_rude_servers(server, behaviour, word, kind, number):
    """Each ends with an error of its own, at the time-out at the latest, and the server answers meanwhile."""
    with rude.Rude(behaviour) as host:
        server.add("web", SLEEP, restart="never",
                   health=health("http", f"http://127.0.0.1:{host.port}/", timeout_ms=600, interval_ms=100))
        server.start()
        begun = time.monotonic()
        error = wait_for(lambda: (asked := time.monotonic()) and server.rpc("system.ping") and
                         time.monotonic() - asked < 0.5 * SLOWNESS and server.status("web").get("health_error"), 5)
        assert word in error
        assert time.monotonic() - begun < 2.5 * SLOWNESS
        status = failed_by_health(server)
        assert (status["health_error_kind"], status["health_error_value"]) == (kind, number)


def test_the_loop_never_stalls_for_rude_servers(server):
    """All of them at once, again and again, and an address that says nothing: the server answers all the time."""
    with contextlib.ExitStack() as stack:
        hole = full_queue(stack, ("127.0.0.1", 0))
        server.add("hole", SLEEP, health=health("tcp", f"127.0.0.1:{hole}", timeout_ms=300, retries=1000000))
        for behaviour, _, _, _ in RUDE:
            host = stack.enter_context(rude.Rude(behaviour))
            server.add(behaviour.__name__, SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/", timeout_ms=300,
                                                                interval_ms=100, retries=1000000))
        server.start()
        waits = []
        with server.connect() as connection:
            end = time.monotonic() + 2
            while (asked := time.monotonic()) < end:
                assert connection.call("system.ping")
                waits.append(time.monotonic() - asked)
                assert waits[-1] < 0.5 * SLOWNESS
        assert sorted(waits)[len(waits) // 2] < 0.02 * SLOWNESS
        for behaviour, _, kind, number in [*RUDE, (None, None, "Timeout", 0)]:
            name = behaviour.__name__ if behaviour else "hole"
            status = wait_for(lambda n=name: (s := server.status(n))["health_error_kind"] and s)
            assert (status["health_error_kind"], status["health_error_value"]) == (kind, number), name


def test_a_gigabyte_costs_no_memory(server):
    """The body is kept for its regex, and cut at its cap: the worker stays small."""
    with rude.Rude(rude.gigabyte) as host:
        server.add("web", SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/", timeout_ms=5000, interval_ms=50,
                                               body="yyy", retries=1000000))
        server.start()
        wait_for(lambda: len(host.asked) > 5)
        assert server.status("web")["health_error_kind"] == "TooLarge"
        prober = next(pid for pid in processes.children(server.keeper) if "zinit-prober" in processes.command(pid))
        peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{prober}/status").read_text())
        assert int(peak[1]) < 64 * 1024 * (4 if SLOWNESS > 1 else 1)


def test_redirects_are_followed_only_if_asked_and_not_for_ever(server):
    with rude.Rude(rude.redirect) as host:
        server.add("web", SLEEP, restart="never",
                   health=health("http", f"http://127.0.0.1:{host.port}/", follow_redirects=True))
        server.start()
        assert "after 5 redirects" in never_ready(server)


@pytest.mark.parametrize(("keys", "good"), [
    ({}, True),
    ({"expect_status": "2xx"}, True),
    ({"expect_status": [404, 200]}, True),
    ({"expect_status": 204}, False),
    ({"body": "^heal.h$"}, True),
    ({"body": "sick"}, False),
    ({"expect_status": "4xx"}, False),
    ({"method": "HEAD"}, True),
    ({"method": "HEAD", "body": "health"}, False),
])
def test_http_expectations(server, keys, good):
    with rude.Rude(rude.fine) as host:
        server.add("web", SLEEP, restart="never", health=health("http", f"http://127.0.0.1:{host.port}/x", **keys))
        server.start()
        server.wait_state("web", "running" if good else "failed")


def test_http_method_and_headers_reach_the_server(server):
    heard = []

    def listen(conn, stop):
        heard.append(conn.recv(4096).decode())
        conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with rude.Rude(listen) as host:
        server.add("web", SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/a?b=c", method="OPTIONS", expect_status=204,
                                               headers={"X-Check": "one two", "Host": "shop.example"}))
        server.start()
        server.wait_state("web", "running")
    lines = heard[0].split("\r\n")
    assert lines[0] == "OPTIONS /a?b=c HTTP/1.1"
    assert "X-Check: one two" in lines and [x for x in lines if x.startswith("Host:")] == ["Host: shop.example"]


def test_tls(server, tmp_path):
    """A self-signed certificate is refused unless tls_verify is off; plain text is not TLS."""
    key, cert = tmp_path / "key", tmp_path / "cert"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost"], check=True, capture_output=True)
    port = free_port()
    tls = subprocess.Popen(["openssl", "s_server", "-quiet", "-www", "-accept", str(port), "-key", key, "-cert", cert],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with rude.Rude(rude.garbage) as host:
            url = f"https://localhost:{port}/"
            server.add("lax", SLEEP, health=health("http", url, tls_verify=False, retries=50))
            server.add("strict", SLEEP, restart="never", health=health("http", url, interval_ms=500, retries=4))
            server.add("plain", SLEEP, restart="never",
                       health=health("http", f"https://127.0.0.1:{host.port}/", tls_verify=False))
            server.start()
            server.wait_state("lax", "running")
            wait_for(lambda: "certificate" in (server.status("strict").get("health_error") or ""))
            assert server.status("strict")["health_error_kind"] == "Tls"
            server.wait_state("plain", "failed")
            assert server.status("plain")["health_error_kind"] == "Tls"
            server.wait_state("strict", "failed")
    finally:
        tls.kill()
        tls.wait()


def test_http_over_a_unix_socket(server):
    path = server.dir / "web.sock"
    code = ("import socketserver, http.server\n"
            "class H(http.server.SimpleHTTPRequestHandler):\n"
            "    def address_string(self): return 'unix'\n"
            f"socketserver.UnixStreamServer({str(path)!r}, H).serve_forever()\n")
    server.add("web", [sys.executable, "-c", code], health=health("http", "http://web/", unix_socket=str(path), retries=50))
    server.start()
    server.wait_state("web", "running")


def test_a_killed_prober_is_started_again(server):
    with rude.Rude(rude.fine) as host:
        server.add("web", SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/", interval_ms=100, retries=50))
        server.start()
        server.wait_state("web", "running")
        prober = next(pid for pid in processes.children(server.keeper) if "zinit-prober" in processes.command(pid))
        pid = server.pid("web")
        processes.kill(prober)
        n = len(host.asked)
        wait_for(lambda: len(host.asked) > n + 3)
        assert server.pid("web") == pid
        wait_for(lambda: server.status("web")["health"] == "healthy")
        # one that hangs is killed, and the next one asked
        hung = wait_for(lambda: next((p for p in processes.children(server.keeper)
                                      if "zinit-prober" in processes.command(p)), None))
        processes.kill(hung, signal.SIGSTOP)
        wait_for(lambda: not processes.alive(hung), 10, "the hanging prober is killed")
        n = len(host.asked)
        wait_for(lambda: len(host.asked) > n + 3)


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
