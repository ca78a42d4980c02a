# SPDX-License-Identifier: Apache-2.0
"""Shipping: lines reach a receiver through the real processes, whatever receiver, shipper and server go through."""
import json
import re
import socket
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
             lambda: f"{len(expected)} lines, {len(rec.texts(service))} came")
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
