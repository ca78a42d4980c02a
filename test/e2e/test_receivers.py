# SPDX-License-Identifier: Apache-2.0
"""What our encoders write, posted to real receivers: is it what they understand, and does the text come back?"""
import json
import socket
import subprocess
import time

import pytest
from harness.server import binary
from harness.wait import wait_for
from receivers import real
from receivers.real import ask

LINES = [b"plain", b"\x1b[31mred\x1b[0m \"quoted\" back\\slash", b"tab\tand \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", b"trailing space ",
         b"twice", b"twice", b"{\"json\": true}", b"] [ = ]", b"x" * 3000]
BYTES = [b"nul \x00 inside", b"ill-formed \xff\xfe\xe2\x82 end"]


def encode(kind, endpoint, lines, **options):
    """(url, headers, body) of a batch."""
    out = subprocess.run([binary("encode_batch"), kind, endpoint, *(f"{k}={v}" for k, v in options.items())],
                         input=b"\n".join(lines) + b"\n", capture_output=True, check=True).stdout
    head, _, body = out.partition(b"\n")
    head = json.loads(head)
    return head["url"], dict(h.split(": ", 1) for h in head["headers"]), body


def repaired(line):
    """As JSON carries it: U+FFFD for each byte that is not of a well-formed character."""
    text = line.decode(errors="surrogateescape")
    return "".join("\ufffd" if 0xdc80 <= ord(c) <= 0xdcff else c for c in text)


def send(sink, lines, **options):
    """Posts a batch; returns (status, text). Syslog: writes it."""
    url, headers, body = encode(sink.kind, sink.endpoint, lines, **{**sink.settings, **options})
    if sink.kind != "syslog":
        return ask(url, body, headers)
    with socket.create_connection(("127.0.0.1", sink.port), 10) as connection:
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        while connection.recv(4096):
            pass
    return 200, ""


def receivers(which=lambda c: True):
    """Run a test with each receiver that `which` holds for."""
    return pytest.mark.parametrize("sink", sorted(n for n, c in real.CLASSES.items() if which(c)), indirect=True)


@pytest.fixture
def sink(request):
    missing = real.CLASSES[request.param].missing()
    if missing:
        pytest.skip(missing)
    with real.receiver(request.param) as sink:
        yield sink


def quirks(sink):
    """What the receiver's answers teach the shipper (ship_answer() of the unit tests)."""
    return {"quirks": 2} if sink.name == "clickhouse" else {}


@receivers()
def test_texts_come_back(sink):
    lines = LINES + BYTES
    status, text = send(sink, lines, services="web,db", **quirks(sink))
    assert 200 <= status < 300, text
    sink.wait(len(lines))
    wanted = [(("web", "db")[i % 2], line.decode(errors="surrogateescape").replace("\0", sink.nul) if sink.nul else repaired(line))
              for i, line in enumerate(lines)]
    assert sorted(sink.records()) == sorted(wanted)


@receivers(lambda c: c.kind != "syslog")
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_bodies(sink, compression):
    lines = [b"line %d" % i for i in range(500)]
    status, text = send(sink, lines, compression=compression, **quirks(sink))
    if sink.name == "clickhouse" and compression == "zstd":
        assert status == 500 and "Code: 89" in text      # 18.16: the shipper learns it, and sends plain
        status, text = send(sink, lines, quirks=3)
    assert 200 <= status < 300, text
    sink.wait(len(lines))
    assert sorted(text for _, text in sink.records()) == sorted(line.decode() for line in lines)


@receivers(lambda c: c.deduplicates)
def test_a_resend_is_stored_once(sink):
    lines = [b"same"] * 5 + [b"line %d" % i for i in range(50)]
    now = time.time_ns()
    for _ in range(3):
        assert send(sink, lines, time=now)[0] < 300
    sink.wait(len(lines))
    assert len(sink.records()) == len(lines)


@receivers(lambda c: c.kind == "syslog")
def test_long_lines_of_syslog(sink):
    """In parts that the receiver does not cut."""
    line = "".join(f"{i:07d}é" for i in range(6000))
    send(sink, [line.encode(), b"end"])
    wait_for(lambda: sink.records()[-1:] == [("web", "end")], what=sink.records)
    assert "".join(text for _, text in sink.records()) == line + "end"


@receivers(lambda c: c.kind == "clickhouse")
def test_clickhouse_says_which_row(sink):
    """The texts that the judge of ClickHouse's answers knows are those of the real one."""
    status, text = send(sink, [b"a"])
    assert "Code: 115" in text and "insert_deduplication_token" in text, (status, text)
    url, headers, body = encode("clickhouse", sink.endpoint, [b"a", b"b", b"c"], index="logs", quirks=2)
    status, text = ask(url, body.replace(b'"content":"b"', b'"content":{'), headers)
    assert status == 400 and "at row 2" in text, (status, text)
    assert sink.count() == 0
    status, text = ask(url.replace("INTO%20logs", "INTO%20nowhere"), body, headers)
    assert status == 404 and "Code: 60" in text, (status, text)
