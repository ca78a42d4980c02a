# SPDX-License-Identifier: Apache-2.0
"""The control socket: framing, errors, limits, and the document that describes it."""
import json
import time

import pytest
from harness.rpc import RpcError
from harness.wait import SLOWNESS

SPINE = ["system.ping", "system.shutdown", "service.list", "service.status", "service.start", "service.stop", "service.restart",
         "service.kill", "service.why", "service.tree", "logs.get", "logs.tail", "rpc.discover"]


def exchange(server, data, count=1):
    with server.connect() as connection:
        connection.send_bytes(data)
        return [connection.read_message() for _ in range(count)]


def test_discover_lists_the_methods(server):
    server.start()
    document = server.rpc("rpc.discover")
    assert document["openrpc"].startswith("1.")
    names = [method["name"] for method in document["methods"]]
    assert len(names) == len(set(names))
    assert [name for name in SPINE if name not in names] == []


@pytest.mark.parametrize("data, code", [
    (b"garbage\n", -32700),
    (b'{"jsonrpc":"2.0","id":1}\n', -32600),
    (b"[]\n", -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"no.such"}\n', -32601),
    (b'{"jsonrpc":"2.0","id":1,"method":"service.status","params":{}}\n', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"service.status","params":{"name":7}}\n', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"service.status","params":{"name":"ghost"}}\n', -32000),
    pytest.param(b"[" * 100000 + b"\n", -32700, id="deep nesting"),
])
def test_errors(server, data, code):
    server.start()
    answer = exchange(server, data)[0]
    assert answer["error"]["code"] == code, answer
    assert answer["error"]["message"]
    assert server.rpc("system.ping")


@pytest.mark.parametrize("request_id", [7, "seven", None, 1.5])
def test_id_comes_back(server, request_id):
    server.start()
    request = {"jsonrpc": "2.0", "id": request_id, "method": "system.ping"}
    assert exchange(server, json.dumps(request).encode() + b"\n")[0]["id"] == request_id


def test_without_newline_pipelined_and_split(server):
    server.start()
    one = b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}'
    assert exchange(server, one)[0]["id"] == 1
    assert [a["id"] for a in exchange(server, one * 3, 3)] == [1, 1, 1]
    with server.connect() as connection:
        for byte in one:
            connection.send_bytes(bytes([byte]))
        assert connection.read_message()["result"]


def test_batch_and_notification(server):
    server.start()
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "system.ping"}, {"jsonrpc": "2.0", "method": "system.ping"},
             {"jsonrpc": "2.0", "id": 2, "method": "no.such"}]
    answer = exchange(server, json.dumps(batch).encode() + b"\n")[0]
    assert sorted(part["id"] for part in answer) == [1, 2]


def test_request_over_the_limit(server):
    server.start()
    with server.connect() as connection:
        try:
            connection.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"system.ping","params":{"x":"' + b"x" * (3 << 20))
            answer = connection.read_message()
            assert answer["error"]["code"] in (-32600, -32700)
        except (OSError, EOFError):
            pass  # closing the connection is an answer too
    assert server.rpc("system.ping")


def test_idle_and_half_sent_connections_hurt_nobody(server):
    server.start()
    idle = [server.connect() for _ in range(200)]
    for connection in idle[:100]:
        connection.send_bytes(b'{"jsonrpc":"2.0",')
    began = time.monotonic()
    assert server.rpc("system.ping")
    assert time.monotonic() - began < 0.5 * SLOWNESS
    for connection in idle:
        connection.close()
    assert server.rpc("system.ping")


def test_error_data(server):
    server.add("web", "exec sleep 1000")
    server.start()
    with pytest.raises(RpcError) as caught:
        server.rpc("service.start", {"name": "wbe"})
    assert caught.value.data["code_name"] == "ServiceNotFound"
    assert caught.value.data["service"] == "wbe"


def test_wait_answers_with_the_state(server):
    server.add("web", "exec sleep 1000", status="stop")
    server.start()
    server.rpc("service.start", {"name": "web", "wait": True, "timeout_ms": 5000})
    assert server.state("web") == "running"
    server.rpc("service.stop", {"name": "web", "wait": True, "timeout_ms": 5000})
    assert server.state("web") in ("exited", "inactive")
