# SPDX-License-Identifier: Apache-2.0
"""zinit doctor: what is wrong is found and said, and each sink is tried with one record."""
import json

import pytest
from harness import processes
from harness.rpc import RpcError
from harness.server import toml_value
from harness.wait import wait_for
from receivers.recorder import Answer, Close, Hang, Recorder

SLEEP = "exec sleep 1000"


def write_sinks(server, *sinks):
    text = f"[log]\ndir = {json.dumps(str(server.logs))}\n"
    for keys in sinks:
        text += "[[ship]]\n" + "".join(f"{key} = {toml_value(value)}\n" for key, value in keys.items())
    server.settings.write_text(text)


def doctor(server, *arguments):
    """({check: [(result, text), …]}, exit code)"""
    answer = server.cli("doctor", "--json", *arguments)
    found = {}
    for row in json.loads(answer.stdout):
        found.setdefault(row["check"], []).append((row["result"], row["text"]))
    return found, answer.returncode


def test_a_healthy_installation(server):
    server.add("web", SLEEP)
    server.start()
    found, code = doctor(server)
    assert code == 0, found
    assert {"server", "keeper", "socket", "services", "logs", "cgroups"} <= set(found)
    assert "wrong" not in {result for rows in found.values() for result, _ in rows}
    assert "zinit-keeper" in found["keeper"][0][1] or "zinit-server" in found["keeper"][0][1]
    text = server.cli("doctor").stdout
    assert "RESULT" in text and str(server.logs) in text and str(server.services) in text


def test_what_is_wrong_with_the_installation(server):
    server.write("bad.toml", '[service]\nname = "bad"\nexec = 7\n')
    server.add("web", SLEEP)
    server.start()
    server.services.chmod(0o777)
    found, code = doctor(server)
    server.services.chmod(0o755)
    assert code == 1
    texts = [text for result, text in found["services"] if result == "wrong"]
    assert any("every user may write there" in text for text in texts) and any(text.startswith("bad:") for text in texts), found


def test_no_server(server):
    answer = server.cli("doctor")
    assert answer.returncode == 5


def test_each_sink_is_tried(server):
    """One record each; what came back is said in words; the real sinks know nothing of it."""
    with Recorder() as good, Recorder() as bad, Recorder() as odd, Recorder(mode="syslog") as syslog, Recorder() as off:
        bad.rule = lambda request: Answer(401, "who are you")
        odd.rule = lambda request: Answer(415) if "content-encoding" in request.headers else None
        off.down()
        more = {"on_failure": "retry", "timeout_ms": 2000}
        write_sinks(server, {"name": "good", "type": "loki", "endpoint": good.endpoint, "streams": ["stderr"], **more},
                    {"name": "bad", "type": "otlp", "endpoint": bad.endpoint, **more},
                    {"name": "odd", "type": "vector", "endpoint": odd.endpoint, "compression": "zstd", **more},
                    {"name": "syslog", "type": "syslog", "endpoint": syslog.endpoint, **more},
                    {"name": "off", "type": "vector", "endpoint": off.endpoint, **more})
        server.start()
        found, code = doctor(server)
        assert code == 1
        result = {name: found[f"ship {name}"][0] for name in ("good", "bad", "odd", "syslog", "off")}
        assert result["good"][0] == "ok" and "taken" in result["good"][1], result
        assert result["bad"][0] == "wrong" and "HTTP 401: the credentials were not accepted: who are you" in result["bad"][1]
        assert result["odd"][0] == "ok" and "does not take this compression" in result["odd"][1]
        assert result["syslog"][0] == "ok" and "answer nothing" in result["syslog"][1]
        assert result["off"][0] == "wrong" and "connect to" in result["off"][1]
        for recorder in (good, odd, syslog):
            recorder.wait(lambda r=recorder: r.lines("zinit") == ["zinit doctor: a test record"])
        assert len(bad.requests) == 1, "one try"
        for sink in server.rpc("ship.status")["sinks"]:
            assert (sink["sent"], sink["failures"], sink["queued"]) == (0, 0, 0), sink


def test_some_sinks_by_name(server):
    with Recorder() as one, Recorder() as two:
        write_sinks(server, {"name": "one", "type": "vector", "endpoint": one.endpoint},
                    {"name": "two", "type": "vector", "endpoint": two.endpoint})
        server.start()
        found, code = doctor(server, "two")
        assert code == 0 and set(found) == {"ship two"}
        assert two.lines("zinit") and not one.requests
        found, code = doctor(server, "three")
        assert code == 1 and "no [[ship]] table is called 'three'" in found["ship"][0][1]


@pytest.mark.parametrize("fault", [Hang(), Hang(headers=True), Close()])
def test_a_receiver_that_does_not_answer(server, fault):
    """It ends by the sink's own time-out."""
    with Recorder() as recorder:
        recorder.rule = lambda request: fault
        write_sinks(server, {"name": "r", "type": "vector", "endpoint": recorder.endpoint, "timeout_ms": 300})
        server.start()
        found, code = doctor(server, "r")
        assert code == 1 and found["ship r"][0][0] == "wrong", found
        assert len(recorder.requests) == 1


def test_the_shipper_dies_while_it_is_asked(server):
    with Recorder() as recorder:
        recorder.rule = lambda request: Hang()
        write_sinks(server, {"name": "r", "type": "vector", "endpoint": recorder.endpoint, "timeout_ms": 20000})
        server.start()
        pid = wait_for(lambda: server.rpc("ship.status")["pid"])
        process = server.cli_start("doctor", "r")
        recorder.wait(lambda: recorder.requests)
        processes.kill(pid)
        out = process.communicate(timeout=20)[0].decode()
        assert process.returncode == 1 and "zinit-shipper" in out, out


def test_an_unknown_sink(server):
    with pytest.raises(RpcError) as error:
        server.start().rpc("ship.probe", {"sink": "nobody"})
    assert error.value.code == -32602
