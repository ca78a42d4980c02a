# SPDX-License-Identifier: Apache-2.0
"""Health checks over the network: tcp and http, names and addresses, against good servers and rude ones."""
import contextlib
import errno
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from harness import processes, rude
from harness.wait import SLOWNESS, wait_for
from test_health import SLEEP, failed_by_health, free_port, health, never_ready


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
