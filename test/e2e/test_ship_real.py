# SPDX-License-Identifier: Apache-2.0
"""zinit-server, zinit-shipper and real receivers: each line is numbered, and each is accounted for."""
import collections
import json
import subprocess

import pytest
from harness.server import toml_value
from harness.wait import wait_for
from receivers import real
from receivers.recorder import Recorder

SLEEP = "exec sleep 1000"
LINES = 5000
# Those that have what they had when they are started again.
PERSISTENT = {"clickhouse", "otelcol", "victorialogs", "loki"}


def receivers(which=lambda c: True):
    return pytest.mark.parametrize("sink", sorted(n for n, c in real.CLASSES.items() if which(c)), indirect=True)


@pytest.fixture
def sink(request):
    missing = real.CLASSES[request.param].missing()
    if missing:
        pytest.skip(missing)
    with real.receiver(request.param) as sink:
        yield sink


def ship(server, kind, endpoint, **keys):
    table = {"name": "real", "type": kind, "endpoint": endpoint, "flush_interval_ms": 100, "max_retry_ms": 300,
             "on_failure": "retry", "queue_lines": 100000, **keys}
    server.settings.write_text(f"[log]\ndir = {json.dumps(str(server.logs))}\n[[ship]]\n"
                               + "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items()))


def status(server):
    return server.rpc("ship.status")["sinks"][0]


def counting(name, count):
    """As fast as a shell can; awk's own buffer makes it one write per 4 KiB."""
    return f"awk 'BEGIN {{ for (i = 1; i <= {count}; i++) printf \"{name} %d\\n\", i }}'; {SLEEP}"


def lost(status):
    return status["dropped"] + status["overrun"] + status["refused"] + status["set_aside"]


def numbers(sink):
    """Of each service, the numbers of its lines in the order in which the receiver has them."""
    found = collections.defaultdict(list)
    for service, text in sink.records():
        name, _, number = text.partition(" ")
        if name == service and number.isdigit():
            found[service].append(int(number))
    return found


@receivers()
def test_every_line_arrives(server, sink):
    """Two services at full speed: received + reported lost = written, in order, nothing twice."""
    ship(server, sink.kind, sink.endpoint, **sink.settings)
    for name in ("web", "db"):
        server.add(name, counting(name, LINES), buffer_lines=200000, buffer_bytes="16M")
    server.start()
    wait_for(lambda: (s := status(server))["acked"] + lost(s) >= 2 * LINES, 60, lambda: status(server))
    assert lost(status(server)) == 0, status(server)
    sink.wait(2 * LINES)
    found = numbers(sink)
    for name in ("web", "db"):
        assert sorted(found[name]) == list(range(1, LINES + 1)), (len(found[name]), status(server))
        assert found[name] == list(range(1, LINES + 1)), "in order"


def in_halves(gate):
    """Half of the lines, the others when `gate` is there."""
    loop = "while [ $i -le %d ]; do echo web $i; i=$((i+1)); done;"
    return f"i=1; {loop % (LINES // 2)} until [ -e {gate} ]; do sleep 0.05; done; {loop % LINES} {SLEEP}"


@receivers(lambda c: c.name in PERSISTENT)
def test_the_receiver_goes_and_comes_back(server, sink):
    """Stopped in the middle and started again on its data: nothing is lost; nothing twice where it knows a line again."""
    ship(server, sink.kind, sink.endpoint, **sink.settings)
    server.add("web", in_halves(server.dir / "gate"), buffer_lines=200000, buffer_bytes="16M")
    server.start()
    wait_for(lambda: status(server)["acked"] > 0, 30, lambda: status(server))
    sink.stop()
    (server.dir / "gate").touch()
    wait_for(lambda: status(server)["failures"] > 0, 30, lambda: status(server))
    sink.start()
    wait_for(lambda: (s := status(server))["acked"] + lost(s) >= LINES, 60, lambda: status(server))
    assert lost(status(server)) == 0, status(server)
    sink.wait(LINES)
    found = numbers(sink)["web"]
    assert sorted(set(found)) == list(range(1, LINES + 1))
    if sink.deduplicates:
        assert len(found) == LINES


@receivers(lambda c: c.name == "rsyslog")
def test_syslog_receiver_goes_and_comes_back(server, sink):
    """Syslog acknowledges nothing: what lay in the connection may be missing, or come again. The rest is there, in order."""
    ship(server, sink.kind, sink.endpoint)
    server.add("web", in_halves(server.dir / "gate"), buffer_lines=200000, buffer_bytes="16M")
    server.start()
    sink.wait(1)
    sink.stop()
    (server.dir / "gate").touch()
    sink.start()
    wait_for(lambda: numbers(sink)["web"][-1:] == [LINES], 60, lambda: status(server))
    found = numbers(sink)["web"]
    assert (once := list(dict.fromkeys(found))) == sorted(once)
    print(f"missing after the restart: {LINES - len(set(found))} of {LINES}, twice: {len(found) - len(set(found))}")


# --- haproxy and nginx between -----------------------------------------------------------------------

needs_haproxy = pytest.mark.skipif(not real.program("haproxy"), reason="haproxy is not installed")
needs_nginx = pytest.mark.skipif(not real.program("nginx"), reason="nginx is not installed")


class Proxy(real.Receiver):
    """Between us and a recorder."""

    def __init__(self, recorder):
        self.recorder = recorder
        super().__init__()


class HaProxy(Proxy):
    """Bodies over 4,000 bytes: 413. More than 20 requests in a second: 429 with Retry-After."""
    name = "haproxy"

    def prepare(self):
        (self.dir / "haproxy.cfg").write_text(f"""
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
frontend in
	bind 127.0.0.1:{self.port}
	stick-table type ip size 10 expire 10s store http_req_rate(1s)
	http-request return status 413 if {{ req.hdr(content-length) -m int gt 4000 }}
	http-request track-sc0 src
	http-request return status 429 hdr Retry-After 1 if {{ sc_http_req_rate(0) gt 20 }}
	default_backend out
backend out
	server s 127.0.0.1:{self.recorder.port}
""")

    def command(self):
        return [real.program("haproxy"), "-db", "-f", self.dir / "haproxy.cfg"]


class Nginx(Proxy):
    """Bodies over 3,000 bytes: 413. What speaks of "line 77" is hung up on, without an answer."""
    name = "nginx"

    def prepare(self):
        (self.dir / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {self.dir}/pid; error_log {self.dir}/error.log;
events {{ }}
http {{
	access_log off;
	client_body_temp_path {self.dir}/body; proxy_temp_path {self.dir}/proxy; fastcgi_temp_path {self.dir}/f;
	uwsgi_temp_path {self.dir}/u; scgi_temp_path {self.dir}/s;
	upstream out {{ server 127.0.0.1:{self.recorder.port}; keepalive 4; }}
	server {{
		listen 127.0.0.1:{self.port};
		client_max_body_size 3000;
		location / {{ proxy_pass http://out; proxy_http_version 1.1; proxy_set_header Connection ""; }}
		location /unlucky {{ return 444; }}
	}}
}}
""")

    def command(self):
        return [real.program("nginx"), "-c", self.dir / "nginx.conf", "-p", self.dir]


@needs_haproxy
def test_too_large_and_too_many(server):
    """413 splits, 429 waits as it is told; nothing is lost, nothing comes twice."""
    with Recorder() as recorder, HaProxy(recorder) as proxy:
        ship(server, "vector", proxy.endpoint, batch_size=200)
        server.add("web", counting("web", 2000), buffer_lines=10000)
        server.start()
        recorder.wait(lambda: recorder.lines("web")[-1:] == ["web 2000"], 60)
        assert recorder.lines("web") == [f"web {i}" for i in range(1, 2001)]
        assert max(len(r.raw) for r in recorder.requests) <= 4000
        seen = status(server)
        assert seen["failures"] > 0 and lost(seen) == 0, seen


@needs_nginx
def test_nginx_that_takes_little(server):
    with Recorder() as recorder, Nginx(recorder) as proxy:
        ship(server, "otlp", proxy.endpoint, batch_size=100)
        server.add("web", counting("web", 300))
        server.start()
        recorder.wait(lambda: recorder.lines("web")[-1:] == ["web 300"], 60)
        assert recorder.lines("web") == [f"web {i}" for i in range(1, 301)]
        assert lost(status(server)) == 0


@needs_nginx
def test_a_receiver_that_hangs_up(server):
    """Closed without an answer, again and again: the lines are kept, or set aside and counted; never silently gone."""
    with Recorder() as recorder, Nginx(recorder) as proxy:
        ship(server, "vector", proxy.endpoint + "/unlucky", batch_size=10, max_retry_ms=20)
        server.add("web", counting("web", 20))
        server.start()
        wait_for(lambda: status(server)["failures"] >= 10, 30, lambda: status(server))
        seen = status(server)
        assert seen["acked"] == 0 and seen["queued"] + lost(seen) == 20, seen


@needs_haproxy
def test_tls_that_haproxy_ends(server):
    """https by somebody else's TLS, with HTTP/2 offered."""
    with Recorder() as recorder:
        proxy = HaProxy(recorder)
        plain = proxy.prepare

        def prepare():
            plain()
            from receivers.recorder import certificate
            certificate(proxy.dir)
            both = (proxy.dir / "cert.pem").read_text() + (proxy.dir / "key.pem").read_text()
            (proxy.dir / "both.pem").write_text(both)
            config = proxy.dir / "haproxy.cfg"
            config.write_text(config.read_text().replace(f"bind 127.0.0.1:{proxy.port}",
                              f"bind 127.0.0.1:{proxy.port} ssl crt {proxy.dir}/both.pem alpn h2,http/1.1"))

        proxy.prepare = prepare
        with proxy:
            ca = server.dir / "ca.pem"
            ca.write_text((proxy.dir / "cert.pem").read_text())
            ship(server, "vector", f"https://localhost:{proxy.port}", tls={"ca": str(ca)}, batch_size=20)
            server.add("web", counting("web", 50))
            server.start()
            recorder.wait(lambda: recorder.lines("web") == [f"web {i}" for i in range(1, 51)], 30)
            said = subprocess.run(["openssl", "x509", "-in", ca, "-noout", "-subject"], capture_output=True, text=True)
            assert "localhost" in said.stdout
