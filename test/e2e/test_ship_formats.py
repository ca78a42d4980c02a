# SPDX-License-Identifier: Apache-2.0
"""Each format through server and shipper to a recorder, and the answers that mean something else than their status says."""
import json
import socket

import pytest
from harness.server import toml_value
from harness.wait import wait_for
from receivers.recorder import Answer, Close, Hang, Recorder, Reset, certificate

SLEEP = "exec sleep 1000"
HTTP_TYPES = ["vector", "loki", "otlp", "elasticsearch", "victorialogs", "clickhouse", "splunk", "http"]
NEEDS = {"clickhouse": {"index": "logs"}}


@pytest.fixture
def record():
    made = []

    def make(*arguments, **keys):
        made.append(Recorder(*arguments, **keys))
        if made[-1].mode == "http":
            made[-1].rule = bulk_answer
        return made[-1]

    yield make
    for recorder in made:
        recorder.stop()


def bulk_answer(request):
    """What Elasticsearch says if all is well; others get a plain 200."""
    return Answer(200, '{"errors":false}') if "/_bulk" in request.path else None


def ship(server, kind, recorder, **keys):
    table = {"name": "rec", "type": kind, "endpoint": recorder.endpoint, "flush_interval_ms": 50, "max_retry_ms": 200,
             "on_failure": "retry", **NEEDS.get(kind, {}), **keys}
    server.settings.write_text(f"[log]\ndir = {json.dumps(str(server.logs))}\n[[ship]]\n"
                               + "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items()))


def status(server):
    return server.rpc("ship.status")["sinks"][0]


def counting(count):
    return f"i=1; while [ $i -le {count} ]; do echo line $i; i=$((i+1)); done; {SLEEP}"


def numbered(first, last):
    return [f"line {i}" for i in range(first, last + 1)]


# --- every format ----------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("kind", HTTP_TYPES)
def test_every_format_arrives(server, record, kind, compression):
    recorder = record()
    ship(server, kind, recorder, compression=compression, labels={"dc": "x1"})
    server.add("web", r"""printf 'plain\n\033[31mred\033[0m "q" \\\nnul \000 ill \377\376\n\nlast\n'; """ + SLEEP)
    server.add("db", f"echo other >&2; {SLEEP}")
    server.start()
    empty = " " if kind == "splunk" else ""
    wanted = ["plain", '\x1b[31mred\x1b[0m "q" \\', "nul \0 ill \ufffd\ufffd", empty, "last"]
    recorder.wait(lambda: len(recorder.lines()) == 6)
    assert recorder.lines("web") == wanted and recorder.lines("db") == ["other"]
    assert not recorder.doubles()
    assert {request.headers.get("content-encoding", "none") for request in recorder.requests} == {compression}
    wait_for(lambda: status(server)["acked"] == 6)


@pytest.mark.parametrize("kind", ["vector", "http"])
def test_arrays_and_zstd(server, record, kind):
    recorder = record()
    ship(server, kind, recorder, compression="zstd", framing="array")
    server.add("web", counting(250))
    server.start()
    recorder.wait(lambda: recorder.lines("web") == numbered(1, 250))
    assert all(isinstance(json.loads(request.body), list) for request in recorder.requests)


@pytest.mark.parametrize("tls", [False, True])
def test_syslog_arrives(server, record, tls):
    recorder = record(mode="syslog", tls=certificate(server.dir) if tls else None)
    ship(server, "syslog", recorder, **({"tls": {"ca": str(server.dir / "cert.pem")}} if tls else {}))
    server.add("web", r"printf 'plain\nnul \000 ill \377\nlast\n'; " + SLEEP)
    server.start()
    recorder.wait(lambda: recorder.lines("web") == ["plain", "nul \0 ill \udcff", "last"])


def test_syslog_connection_is_cut(server, record):
    """What was written into a connection that was reset is lost at most; the rest arrives, in order."""
    recorder = record(mode="syslog")
    recorder.cut_after = 20000
    ship(server, "syslog", recorder)
    server.add("web", counting(3000))
    server.start()
    recorder.wait(lambda: recorder.lines("web")[-1:] == ["line 3000"])
    got = [int(text.split()[1]) for text in recorder.lines("web")]
    assert recorder.connections >= 2
    assert sorted(set(got)) == sorted(set(got) & set(range(1, 3001)))


# --- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HTTP_TYPES)
def test_faults_lose_nothing_with_retry(server, record, kind):
    """Case 27: whatever an endpoint does, on_failure = "retry" brings every line, in order."""
    recorder = record()
    recorder.script(Answer(503), Answer(429, headers={"Retry-After": "1"}), Reset(), Close(), Answer(200, "x" * 100, cut=60),
                    Hang(), Hang(headers=True), Answer(413), Answer(502, "<html>"))
    ship(server, kind, recorder, timeout_ms=300, batch_size=50)
    server.add("web", counting(500))
    server.start()
    wait_for(lambda: status(server)["acked"] == 500, 40, lambda: status(server))
    texts = list(dict.fromkeys(recorder.lines("web")))      # an answer that was cut counts as stored: that batch comes twice
    assert texts == numbered(1, 500)
    assert status(server)["dropped"] == 0


def test_elasticsearch_judges_each_item(server, record):
    """One line is refused, one is busy: the refused one is told and set aside, the other comes again alone."""
    recorder = record()
    asked = []

    def rule(request):
        ids = [json.loads(line)["create"]["_id"] for line in request.body.split(b"\n")[:-1:2]]
        asked.append(ids)
        items = [{"create": {"status": 201}} for _ in ids]
        for i, (_, text, *_) in enumerate(request.records()):
            if text == "line 3":
                items[i] = {"create": {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no"}}}
            elif text == "line 5" and sum(ids[i] in request_ids for request_ids in asked) == 1:
                items[i] = {"create": {"status": 429, "error": {"type": "busy", "reason": "queue"}}}
            elif sum(ids[i] in request_ids for request_ids in asked) > 1:
                items[i] = {"create": {"status": 409}}
        bad = any(item["create"]["status"] > 201 for item in items)
        return Answer(200, json.dumps({"errors": bad, "items": items if bad else []}))

    recorder.rule = rule
    ship(server, "elasticsearch", recorder, batch_size=10, flush_interval_ms=300)
    server.add("web", counting(9))
    server.start()
    wait_for(lambda: status(server)["acked"] >= 8 and len(asked) >= 2, 20, lambda: (status(server), asked))
    five = [i for i in asked[0] if i.endswith(asked[1][0])]
    assert len(five) == 1
    assert status(server)["set_aside"] == 1 and status(server)["dropped"] == 0
    assert "mapper_parsing_exception" in json.dumps(status(server))


def test_loki_says_260(server, record):
    """A 2xx that stored nothing: the lines are kept until ingestion is allowed again."""
    recorder = record()
    recorder.script(Answer(260, "ingestion blocked for user 'fake' until tomorrow"))
    ship(server, "loki", recorder)
    server.add("web", counting(3))
    server.start()
    wait_for(lambda: status(server)["error"] and "ingestion blocked" in status(server)["error"])
    wait_for(lambda: status(server)["acked"] == 3, 30, lambda: status(server))


def test_loki_400_that_stored_the_good_lines(server, record):
    recorder = record()
    recorder.script(Answer(400, "entry too far behind\nuser 'fake', total ignored: 2 out of 5 for stream: {}"))
    ship(server, "loki", recorder, flush_interval_ms=300)
    server.add("web", counting(5))
    server.start()
    wait_for(lambda: (s := status(server))["refused"] == 2 and s["acked"] == 3, 10, lambda: status(server))
    assert len([r for r in recorder.requests if "line 1" in r.body.decode()]) == 1


def test_otlp_partial_success_is_not_sent_again(server, record):
    recorder = record()
    recorder.script(Answer(200, '{"partialSuccess":{"rejectedLogRecords":"4","errorMessage":"too old"}}'))
    ship(server, "otlp", recorder, flush_interval_ms=300)
    server.add("web", counting(5))
    server.start()
    wait_for(lambda: (s := status(server))["refused"] == 4 and s["acked"] == 1, 10, lambda: status(server))
    assert "too old" in status(server)["error"]


def test_compression_that_is_refused_is_left_out(server, record):
    recorder = record()
    recorder.rule = lambda request: Answer(415) if "content-encoding" in request.headers else None
    ship(server, "vector", recorder, compression="zstd")
    server.add("web", counting(100))
    server.start()
    recorder.wait(lambda: recorder.lines("web") == numbered(1, 100))
    assert status(server)["dropped"] == 0 and sum(r.status == 415 for r in recorder.requests) == 1


def test_splunk_names_the_bad_event(server, record):
    recorder = record()

    def rule(request):
        texts = [r.text for r in request.records()]
        if "line 4" in texts:
            return Answer(400, json.dumps({"text": "Invalid data format", "code": 6,
                                           "invalid-event-number": texts.index("line 4")}))
        return Answer(200, '{"text":"Success","code":0}')

    recorder.rule = rule
    ship(server, "splunk", recorder, flush_interval_ms=300)
    server.add("web", counting(9))
    server.start()
    recorder.wait(lambda: recorder.lines("web") == [f"line {i}" for i in range(1, 10) if i != 4])
    wait_for(lambda: status(server)["set_aside"] == 1)


# --- ways to get there -----------------------------------------------------------------------------


def test_a_bearer_token_is_splunks_own_word(server, record):
    recorder = record()
    secret = server.dir / "token"
    secret.write_text("t0ken\n")
    secret.chmod(0o600)
    ship(server, "splunk", recorder, auth={"type": "bearer", "file": str(secret)})
    server.add("web", counting(1))
    server.start()
    recorder.wait(lambda: recorder.lines("web"))
    assert recorder.requests[0].headers["authorization"] == "Splunk t0ken"


def test_headers_are_templates(server, record):
    recorder = record()
    ship(server, "http", recorder, headers={"X-From": "{host}/{service}/{sink}", "Idempotency-Key": "{batch}"})
    server.add("web", f"echo w1; echo w2; {SLEEP}")
    server.add("db", f"echo d1; {SLEEP}")
    server.start()
    recorder.wait(lambda: len(recorder.lines()) == 3)
    for request in recorder.requests:
        service = request.headers["x-from"].split("/")[1]
        assert {r.service for r in request.records()} == {service}
    assert len({r.headers["idempotency-key"] for r in recorder.requests}) == len(recorder.requests)


def test_a_retry_is_the_same_bytes(server, record):
    recorder = record()
    recorder.script(*[Answer(503)] * 3)
    ship(server, "http", recorder, compression="gzip", headers={"Idempotency-Key": "{batch}"}, flush_interval_ms=500)
    server.add("web", counting(20))
    server.start()
    recorder.wait(lambda: recorder.lines("web") == numbered(1, 20))
    tries = [r for r in recorder.requests if r.headers["idempotency-key"] == recorder.requests[0].headers["idempotency-key"]]
    assert len(tries) == 4 and len({r.raw for r in tries}) == 1


def test_ipv6_and_unix_sockets(server, record):
    for recorder, more in ((record(unix=server.dir / "s"), {"unix_socket": str(server.dir / "s"), "endpoint": "http://localhost"}),
                           (record(family=socket.AF_INET6), {})):
        ship(server, "vector", recorder, **more)
        server.add("web", counting(5))
        server.start()
        recorder.wait(lambda r=recorder: r.lines("web")[:5] == numbered(1, 5))
        server.shutdown()
