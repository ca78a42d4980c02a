# SPDX-License-Identifier: Apache-2.0
"""Shipping: lines reach a receiver through the real processes, whatever receiver, shipper and server go through."""
import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from harness import processes
from harness.recorder import recorder
from harness.server import toml_value
from harness.wait import stays, wait_for

SLEEP = "exec sleep 1000"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sink(server, *tables, start=True, **keys):
    """Write zinit.toml with one [[ship]] of `keys`, or several."""
    text = f"[log]\ndir = {json.dumps(str(server.logs))}\n"
    for table in tables or [keys]:
        table = {"name": "rec", "type": "vector", "flush_interval_ms": 50, "max_retry_ms": 200, **table}
        text += "[[ship]]\n" + "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items())
    server.settings.write_text(text)


def numbers(count, pause=""):
    """A command that prints "line 1" to "line COUNT", and stays."""
    return f"i=1; while [ $i -le {count} ]; do echo line $i; i=$((i+1)); {pause} done; {SLEEP}"


def lines(first, last):
    return [f"line {i}" for i in range(first, last + 1)]


def status(server, name="rec"):
    return next(s for s in server.rpc("ship.status")["sinks"] if s["name"] == name)


def shipper(server):
    """Pid of zinit-shipper, or 0."""
    return server.rpc("ship.status")["pid"]


def wait_texts(rec, expected, service=None, timeout=15):
    wait_for(lambda: len(rec.texts(service)) >= len(expected), timeout,
             f"{len(expected)} lines")
    assert rec.texts(service) == expected


# --- batches ---------------------------------------------------------------------------------------


def test_lines_arrive_with_what_they_are(server):
    with recorder() as rec:
        sink(server, endpoint=rec.url, labels={"dc": "x1"})
        server.add("web", f"echo out; echo err >&2; {SLEEP}", tags=["front"])
        server.start()
        wait_for(lambda: len(rec.texts("web")) == 2)
        record = next(r for r in rec.stored if r["content"] == "err")
        assert record["service"] == "web" and record["stream"] == "stderr" and record["run"] == 1
        assert record["host"] == socket.gethostname() and record["dc"] == "x1"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", record["timestamp"])
        seen = wait_for(lambda: (s := status(server))["acked"] == 2 and s)
        assert seen["lag_lines"] == 0 and seen["phase"] == "idle" and seen["error"] is None


def test_batches_by_count_and_by_age(server):
    with recorder() as rec:
        sink(server, endpoint=rec.url, batch_size=10, flush_interval_ms=1000)
        server.add("many", f"seq 1 25; {SLEEP}")
        server.start()
        wait_for(lambda: len(rec.texts()) >= 10)
        began = time.monotonic()
        wait_texts(rec, [str(i) for i in range(1, 26)])
        assert len(rec.requests[0]) == 10
        # the rest did not fill a batch: it came by its age
        assert len(rec.requests[-1]) <= 15 and time.monotonic() - began < 5


def test_a_filter_by_name_tag_and_stream(server):
    with recorder() as rec, recorder() as other:
        sink(server, {"endpoint": rec.url, "services": ["w*", "@db"], "streams": ["stderr"]},
             {"name": "second", "endpoint": other.url, "services": ["zinit"]})
        server.add("web", f"echo no; echo web >&2; {SLEEP}")
        server.add("sql", f"echo sql >&2; {SLEEP}", tags=["db"])
        server.add("else", f"echo else >&2; {SLEEP}")
        server.start()
        wait_for(lambda: sorted(rec.texts()) == ["sql", "web"])
        server.rpc("service.stop", {"name": "else"})
        wait_for(lambda: any("service.stop" in text for text in other.texts("zinit")))
        assert {r["service"] for r in other.stored} == {"zinit"}


def test_an_idle_shipper_does_not_wake_up(server):
    with recorder() as rec:
        sink(server, endpoint=rec.url)
        server.add("quiet", f"echo once; {SLEEP}")
        server.start()
        wait_texts(rec, ["once"])
        pid = shipper(server)

        def switches():
            with open(f"/proc/{pid}/status") as f:
                return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)

        wait_for(lambda: status(server)["phase"] == "idle")
        stays(lambda: switches() or True, 0.5)  # curl's own timers of the last request
        before = switches()
        stays(lambda: True, 1.5)
        assert switches() == before


# --- failure ---------------------------------------------------------------------------------------

FAILURES = [500, (429, {"Retry-After": "0"}), 503, "reset", "close", "half"]


@pytest.mark.parametrize("policy", ["retry", "spill"])
def test_what_fails_is_sent_again_until_it_arrives(server, policy):
    def script(number, records):
        return FAILURES[number] if number < len(FAILURES) else 200

    with recorder(script) as rec:
        sink(server, endpoint=rec.url, on_failure=policy, timeout_ms=2000)
        server.add("many", numbers(300))
        server.start()
        wait_texts(rec, lines(1, 300))
        # whatever is sent again is the same
        assert all(again[:len(rec.requests[0])] == rec.requests[0] for again in rec.requests[:len(FAILURES)])
        seen = wait_for(lambda: (s := status(server))["acked"] == 300 and s)
        # libcurl itself repeats a request whose connection, used before, was closed without an answer
        assert seen["failures"] >= len(FAILURES) - 1 and seen["retried"] > 0 and seen["dropped"] == 0


def test_retry_after_is_honoured(server):
    times = []

    def script(number, records):
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}) if number == 0 else 200

    with recorder(script) as rec:
        sink(server, endpoint=rec.url, on_failure="retry")
        server.add("one", f"echo one; {SLEEP}")
        server.start()
        wait_texts(rec, ["one"])
        assert times[1] - times[0] >= 0.99


def test_drop_loses_whole_batches_and_says_so(server):
    with recorder(lambda number, records: 500 if number < 3 else 200) as rec:
        sink(server, endpoint=rec.url, on_failure="drop", batch_size=10)
        server.add("many", numbers(100))
        server.start()
        wait_for(lambda: rec.texts()[-1:] == ["line 100"], 15)
        seen = wait_for(lambda: (s := status(server))["acked"] + s["dropped"] == 100 and s)
        assert seen["dropped"] > 0 and seen["acked"] == len(rec.texts())
        assert sum(gap["lost"] for gap in rec.gaps()) == seen["dropped"]
        # in order, and the record of what is missing stands where it is missing
        assert rec.texts() == lines(seen["dropped"] + 1, 100)
        assert "lost" in rec.stored[0]
        assert server.says("dropped", "rec", "HTTP 500")


def test_a_batch_that_is_too_large_is_sent_in_halves(server):
    with recorder(lambda number, records: 413 if len(records) > 7 else 200) as rec:
        sink(server, endpoint=rec.url, on_failure="retry")
        server.add("many", numbers(100))
        server.start()
        wait_texts(rec, lines(1, 100))
        assert status(server)["dropped"] == 0


def test_a_stalled_sink_slows_neither_another_nor_the_service(server):
    with recorder(lambda number, records: "hang") as stalled, recorder() as rec:
        sink(server, {"name": "stalled", "endpoint": stalled.url, "on_failure": "retry", "queue_lines": 50, "timeout_ms": 60000},
             {"endpoint": rec.url, "on_failure": "retry"})
        server.add("many", numbers(5000))
        server.start()
        wait_texts(rec, lines(1, 5000))
        wait_for(lambda: len(server.log("many")) > 0)
        seen = wait_for(lambda: (s := status(server, "stalled"))["queued"] and s)
        assert seen["queued"] <= 50 and seen["acked"] == 0
        stalled.let_go()


def test_sinks_come_and_go_with_a_reload(server):
    with recorder() as rec, recorder() as other:
        sink(server, endpoint=rec.url)
        server.add("one", f"echo one; while read x; do :; done < /dev/zero; {SLEEP}")
        server.add("more", f"while :; do echo more; sleep 0.02; done")
        server.start()
        wait_for(lambda: "one" in rec.texts())
        sink(server, {"name": "other", "endpoint": other.url})
        server.rpc("service.reload")
        wait_for(lambda: "more" in other.texts("more"))
        wait_for(lambda: [s["name"] for s in server.rpc("ship.status")["sinks"]] == ["other"])
        count = rec.number
        stays(lambda: rec.number == count, 0.3)
        # a file that is wrong changes nothing
        server.settings.write_text(server.settings.read_text() + "flush_interval_ms = 'x'\n")
        server.rpc("service.reload")
        count = len(other.texts("more"))
        wait_for(lambda: len(other.texts("more")) > count)
        # none left: the shipper has nothing to do
        server.settings.write_text(f"[log]\ndir = {json.dumps(str(server.logs))}\n")
        server.rpc("service.reload")
        wait_for(lambda: server.rpc("ship.status")["sinks"] == [])


def test_the_end_of_the_server_waits_for_the_last_lines(server):
    with recorder() as rec:
        sink(server, endpoint=rec.url, flush_interval_ms=60000)
        server.add("last", "trap 'echo bye; exit' TERM; echo hello; while :; do sleep 0.05; done")
        server.start()
        server.wait_line("last", "hello")
        server.shutdown()
        assert rec.texts("last")[0] == "hello" and rec.texts("last")[-1] == "bye"


# --- crashes ---------------------------------------------------------------------------------------


def accounted(server, rec, total, timeout=30):
    """Every line arrived, or is counted as lost; returns what arrived, each once."""
    def complete():
        seen = status(server)
        return rec.texts() and rec.texts()[-1] == f"line {total}" and seen["lag_lines"] == 0 and seen
    seen = wait_for(complete, timeout, "all lines arrived or are counted")
    arrived = list(dict.fromkeys(rec.texts()))
    assert arrived == sorted(arrived, key=lambda text: int(text.split()[1])), "out of order"
    return arrived, seen


@pytest.mark.parametrize("policy", ["retry", "spill", "drop"])
def test_kill_9_of_the_shipper_loses_nothing(server, policy):
    with recorder() as rec:
        sink(server, endpoint=rec.url, on_failure=policy)
        server.add("many", numbers(20000), buffer_lines=30000, buffer_bytes=4 << 20)
        server.start()
        for round in range(3):
            wait_for(lambda: len(rec.texts()) > 2000 * (round + 1))
            pid = wait_for(lambda: shipper(server))
            processes.kill(pid)
            wait_for(lambda: shipper(server) not in (0, pid))
        arrived, _ = accounted(server, rec, 20000)
        assert arrived == lines(1, 20000)


def test_kill_9_of_the_server_loses_nothing(server):
    with recorder() as rec:
        sink(server, endpoint=rec.url, on_failure="retry")
        server.add("many", numbers(20000), buffer_lines=30000, buffer_bytes=4 << 20)
        server.start()
        for round in range(3):
            wait_for(lambda: len(rec.texts()) > 2000 * (round + 1))
            server.kill_brain()
        arrived, _ = accounted(server, rec, 20000)
        assert arrived == lines(1, 20000)


# --- spill: the segments are the spool -----------------------------------------------------------------

SMALL = {"buffer_lines": 100, "buffer_bytes": 65536}


def test_spill_survives_kill_9_of_the_server_while_the_receiver_is_down(server):
    port = free_port()
    sink(server, endpoint=f"http://127.0.0.1:{port}/", on_failure="spill", queue_lines=500)
    server.add("many", numbers(20000), **SMALL)
    server.start()
    server.wait_line("many", "line 20000", timeout=30)
    server.kill_brain()
    processes.kill(wait_for(lambda: shipper(server)))
    with recorder(port=port) as rec:
        arrived, seen = accounted(server, rec, 20000)
        assert arrived == lines(1, 20000)
        assert seen["overrun"] == seen["dropped"] == 0


def test_spill_survives_the_end_of_everything(server):
    port = free_port()
    with recorder(port=port) as rec:
        sink(server, endpoint=rec.url, on_failure="spill", queue_lines=500)
        server.add("many", numbers(3000), **SMALL)
        server.start()
        wait_for(lambda: "line 3000" in rec.texts(), 20)
        saved = server.logs / ".ship" / "rec.cursors"
        before = wait_for(lambda: saved.exists() and saved.read_text())
    server.add("many", numbers(20000), **SMALL)
    server.rpc("service.reload")
    server.wait_line("many", "line 20000", timeout=30)
    wait_for(lambda: "line 20000" in "".join(p.read_text() for p in (server.logs / "many").glob("*.log")))
    # all of it at once, as a power cut would: what the shipper knew is in its file
    processes.kill(server.keeper)
    for pid in server.leftovers():
        processes.kill(pid)
    server.process.wait()
    server.socket.unlink()
    assert saved.read_text() == before or saved.read_text()
    server.add("many", SLEEP, **SMALL)
    with recorder(port=port) as rec:
        server.start()
        server.add("many", f"echo line 20001; {SLEEP}", **SMALL)
        server.rpc("service.reload")
        wait_for(lambda: "line 20001" in rec.texts(), 30)
        assert list(dict.fromkeys(rec.texts())) == lines(1, 20001)


def test_lines_that_the_receiver_refuses_are_set_aside(server):
    with recorder(lambda number, records: 400 if any(r["content"] == "bad 7" for r in records) else 200) as rec:
        sink(server, endpoint=rec.url, on_failure="retry")
        server.add("many", f"for i in 1 2 3 4 5 6 7 8 9; do echo $([ $i = 7 ] && echo bad || echo good) $i; done; {SLEEP}")
        server.start()
        wait_for(lambda: len(rec.texts()) == 8)
        assert rec.texts() == [f"good {i}" for i in range(1, 10) if i != 7]
        seen = wait_for(lambda: (s := status(server))["set_aside"] == 1 and s)
        assert seen["acked"] == 8 and seen["dropped"] == 0
        kept = [json.loads(line) for line in (server.logs / ".ship" / "rec.refused").read_text().splitlines()]
        assert [(k["service"], k["content"]) for k in kept] == [("many", "bad 7")] and "400" in kept[0]["refused"]


# --- connections -----------------------------------------------------------------------------------------


class Stream:
    """A receiver that says nothing: keeps the bytes that it reads (syslog, octet counting)."""

    def __init__(self, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.data = b""
        self.context = context
        self.connections = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
                threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection):
        with contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                self.data += chunk

    def messages(self):
        rest, found = self.data, []
        while b" " in rest:
            length, _, rest = rest.partition(b" ")
            found.append(rest[:int(length)].decode())
            rest = rest[int(length):]
        return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that nobody vouches for, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", place / "key", "-out", place / "cert"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "cert", place / "key")
    return place, context


@pytest.mark.parametrize("tls", [False, True])
def test_syslog_over_tcp_and_tls(server, tls, request):
    place, context = request.getfixturevalue("certificate") if tls else (None, None)
    receiver = Stream(context)
    extra = {"tls": {"ca": str(place / "cert")}} if tls else {}
    sink(server, type="syslog", endpoint=f"{'tls' if tls else 'tcp'}://127.0.0.1:{receiver.port}", on_failure="retry", **extra)
    server.add("many", numbers(500))
    server.start()
    wait_for(lambda: len(receiver.messages()) >= 500)
    assert [m.rsplit(" ", 2)[-2:] for m in receiver.messages()] == [["line", str(i)] for i in range(1, 501)]
    wait_for(lambda: status(server)["acked"] == 500)


def test_tls_is_verified(server, certificate):
    receiver = Stream(certificate[1])
    sink(server, type="syslog", endpoint=f"tls://127.0.0.1:{receiver.port}", on_failure="retry")
    server.add("one", f"echo one; {SLEEP}")
    server.start()
    seen = wait_for(lambda: (s := status(server))["error"] and s)
    assert "certificate" in seen["error"] and not receiver.data


def test_a_syslog_connection_that_breaks_is_made_again(server):
    receiver = Stream()
    sink(server, type="syslog", endpoint=f"tcp://127.0.0.1:{receiver.port}", on_failure="retry")
    server.add("more", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done")
    server.start()
    wait_for(lambda: len(receiver.messages()) > 20)
    receiver.connections[0].shutdown(socket.SHUT_RDWR)
    receiver.connections[0].close()
    wait_for(lambda: len(receiver.connections) > 1 and len(receiver.messages()) > 60)
    seen = {int(m.rsplit(" ", 1)[1]) for m in receiver.messages()}
    missing = set(range(1, max(seen))) - seen
    # what a dead program had not read can't be known without answers: a few lines at most
    assert len(missing) <= 5, missing


def test_secrets_come_from_a_file_and_are_shown_nowhere(server):
    secret = "s3cr3t-of-the-test"
    path = server.dir / "secret"
    path.write_text(secret + "\n")
    with recorder() as rec:
        sink(server, endpoint=rec.url.replace("://", "://user:inurl@"), on_failure="retry",
             auth={"type": "bearer", "file": str(path)})
        server.add("one", f"echo one; {SLEEP}")
        server.start()
        wait_texts(rec, ["one"])
        assert rec.headers[0]["Authorization"] == f"Bearer {secret}"
        shown = json.dumps(server.rpc("ship.status")) + server.cli("ship").stdout + server.cli("ship", "--json").stdout
        shown += server.diagnostics() + "".join(server.lines("zinit"))
        with open(f"/proc/{shipper(server)}/cmdline") as cmdline, open(f"/proc/{shipper(server)}/environ") as environ:
            shown += cmdline.read() + environ.read()
        assert secret not in shown and "inurl" not in shown


def test_the_shipper_has_no_privileges(server):
    with recorder() as rec:
        sink(server, endpoint=rec.url)
        server.add("one", f"echo one; {SLEEP}")
        server.start()
        wait_texts(rec, ["one"])
        with open(f"/proc/{shipper(server)}/status") as f:
            fields = dict(line.split(":", 1) for line in f)
        assert all(int(fields[kind], 16) == 0 for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
        assert fields["NoNewPrivs"].strip() == "1"


def test_compressed_bodies(server):
    with recorder() as rec:
        sink(server, endpoint=rec.url, compression="gzip")
        server.add("many", numbers(500))
        server.start()
        wait_texts(rec, lines(1, 500))
        assert rec.headers[0]["Content-Encoding"] == "gzip"
        seen = wait_for(lambda: (s := status(server))["acked"] == 500 and s)
        assert seen["bytes"] < seen["plain_bytes"] / 2
        text = server.cli("metrics").stdout
        assert 'zinit_ship_lines_acked_total{sink="rec"} 500' in text or 'zinit_ship_lines_acked{sink="rec"} 500' in text
        assert 'process="shipper"' in text
