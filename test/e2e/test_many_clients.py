# SPDX-License-Identifier: Apache-2.0
"""Acceptance 34: many clients, slow ones, dead ones, rude ones. Memory stays bounded, and others are answered meanwhile."""
import json
import os
import resource
import selectors
import socket
import statistics
import time

import pytest
from harness.wait import SLOWNESS, wait_for

SLEEP = "exec sleep 1000"
MIB = 1 << 20
# base/limits.h: what all connections may hold in buffers.
BUFFERS = 64 * MIB
# What a connection costs beside its buffers, subscription and its watch in the loop included.
PER_CLIENT = 8 << 10


def many_descriptors(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        pytest.skip(f"this process may open {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n), hard))


def memory(server):
    """Bytes of the server proper: what is its own, and what it has in files of the kernel's (rings) not counted."""
    for line in open(f"/proc/{server.brain()}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no RssAnon")


def raw(server):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20 * SLOWNESS)
    connection.connect(str(server.socket))
    return connection


def request(method, params=None, number=1):
    made = {"jsonrpc": "2.0", "id": number, "method": method}
    if params is not None:
        made["params"] = params
    return json.dumps(made).encode() + b"\n"


def deaf_clients(server, n, data):
    """So many that ask and never read."""
    clients = []
    for _ in range(n):
        clients.append(raw(server))
        clients[-1].sendall(data)
    return clients


def answer_times(server, n=50):
    times = []
    with server.connect(timeout=60) as connection:
        connection.call("system.ping")
        for _ in range(n):
            began = time.monotonic()
            connection.call("service.list")
            times.append(time.monotonic() - began)
    return times


def close_all(server, clients):
    for connection in clients:
        connection.close()
    wait_for(lambda: server.rpc("system.info")["connections"] <= 2, 10, "their connections are gone")


@pytest.mark.memory
@pytest.mark.parametrize("method, params", [("logs.follow", {"name": "flood"}), ("events.subscribe", {})])
def test_a_thousand_slow_subscribers(server, method, params):
    many_descriptors(3000)
    server.add("flood", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", nice=10)
    server.add("flap", "sleep .05", restart="always", restart_delay_ms=10, max_restarts=0)
    server.start()
    server.wait_line("flood", "xxxx")
    before = memory(server)
    clients = deaf_clients(server, 1000, request(method, params))
    wait_for(lambda: server.rpc("system.info")["connections"] > 1000, 30)

    def held():
        return server.rpc("system.info")["connection_bytes"]
    peak = 0
    for _ in range(20):
        answer_times(server, 20)
        peak = max(peak, memory(server) - before)
        assert held() <= BUFFERS
    assert peak <= BUFFERS + 1000 * PER_CLIENT, f"{peak / MIB:.1f} MiB for 1000 slow subscribers"
    close_all(server, clients)
    assert held() < MIB


@pytest.mark.memory
def test_answers_that_nobody_takes(server):
    """Each asks for megabytes and reads nothing: over the bound the one that holds most is dropped."""
    many_descriptors(3000)
    server.add("big", f"i=0; while [ $i -lt 9000 ]; do i=$((i+1)); echo \"$i {'x' * 90}\"; done; {SLEEP}", buffer_lines=10000)
    server.start()
    server.wait_line("big", "9000 ")
    before = memory(server)
    clients = deaf_clients(server, 40, request("logs.tail", {"name": "big", "lines": 10000}))
    wait_for(lambda: server.rpc("system.info", timeout=60)["connections"] < 40, 40, "some are dropped")
    for _ in range(5):
        assert server.rpc("system.info", timeout=60)["connection_bytes"] <= BUFFERS
        assert memory(server) - before <= BUFFERS + 32 * MIB  # one answer in the making, and what malloc keeps
    assert len(server.rpc("logs.tail", {"name": "big", "lines": 10000}, timeout=60)) == 9000
    close_all(server, clients)


def test_many_who_do_read_are_all_served(server):
    """Together they ask for more than all buffers may hold: they get it one after another, and nobody is dropped."""
    many_descriptors(3000)
    server.add("big", f"i=0; while [ $i -lt 9000 ]; do i=$((i+1)); echo \"$i {'x' * 90}\"; done; {SLEEP}", buffer_lines=10000)
    server.start()
    server.wait_line("big", "9000 ")
    clients = deaf_clients(server, 60, request("logs.tail", {"name": "big", "lines": 10000}))
    waiting, sizes = selectors.DefaultSelector(), dict.fromkeys(clients, 0)
    for connection in clients:
        waiting.register(connection, selectors.EVENT_READ)
    while waiting.get_map():
        for key, _ in waiting.select(30 * SLOWNESS):
            chunk = key.fileobj.recv(1 << 20)
            assert chunk, "dropped"
            sizes[key.fileobj] += len(chunk)
            if chunk.endswith(b"\n"):
                waiting.unregister(key.fileobj)
    assert len(set(sizes.values())) == 1 and sum(sizes.values()) > BUFFERS
    close_all(server, clients)


@pytest.mark.timing
def test_others_are_answered_meanwhile(server):
    many_descriptors(3000)
    server.add("flood", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", nice=19)
    server.start()
    clients = deaf_clients(server, 500, b"") + deaf_clients(server, 500, b'{"jsonrpc":"2.0",')
    clients += deaf_clients(server, 20, request("logs.follow", {"name": "flood"})) + deaf_clients(server, 20, request("rpc.discover") * 40)
    server.rpc("service.kill", {"name": "flood", "signal": "STOP"})
    times = answer_times(server, 200)
    assert statistics.median(times) < 0.010 * SLOWNESS, sorted(times)[-20:]
    close_all(server, clients)


def test_clients_that_go_while_their_answer_is_due(server):
    server.add("web", SLEEP)
    server.start()
    data = request("service.wait", {"name": "web", "state": "failed"}) + request("logs.query", {}) + request("rpc.discover") + request("events.subscribe")
    for round_ in range(5):
        close_all(server, deaf_clients(server, 40, data if round_ % 2 else data[:-20]))
    assert server.rpc("system.info")["connection_bytes"] < MIB
    assert server.rpc("system.info")["internal_errors"] == 0


def test_half_closed_clients_get_their_answers(server):
    server.add("web", SLEEP)
    server.start()
    with raw(server) as connection:
        connection.sendall(request("service.stop", {"name": "web", "wait": True}) + request("system.ping", number=2))
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := connection.recv(1 << 16):
            got += chunk
    assert sorted(json.loads(line)["id"] for line in got.splitlines()) == [1, 2]


def test_pipelining(server):
    server.start()
    n = 20000
    data = b"".join(request("system.ping", number=i) for i in range(n))
    got, sent = b"", 0
    with raw(server) as connection:
        connection.setblocking(False)
        deadline = time.monotonic() + 30 * SLOWNESS
        lines = 0
        while lines < n:
            assert time.monotonic() < deadline
            try:
                sent += connection.send(data[sent:sent + (1 << 16)]) if sent < len(data) else 0
            except BlockingIOError:
                pass
            try:
                chunk = connection.recv(1 << 18)
                got += chunk
                lines += chunk.count(b"\n")
            except BlockingIOError:
                pass
    assert [json.loads(line)["id"] for line in got.splitlines()] == list(range(n))


def test_batches_have_a_bound_and_notifications_no_answer(server):
    server.add("web", SLEEP)
    server.start()
    one = {"jsonrpc": "2.0", "id": 1, "method": "system.ping"}
    with server.connect() as connection:
        connection.send_bytes(json.dumps([one] * 1000).encode() + b"\n")
        assert len(connection.read_message()) == 1000
        connection.send_bytes(json.dumps([one] * 1001).encode() + b"\n")
        assert connection.read_message()["error"]["code"] == -32600
        connection.send_bytes(json.dumps([{"jsonrpc": "2.0", "method": "service.stop", "params": ["web"]}]).encode() + b"\n")
        assert connection.call("system.ping")  # what comes first is the answer to this
    server.wait_state("web", "exited", "inactive")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_strangers_can_not_lock_root_out(server):
    many_descriptors(6000)
    server.settings.write_text(f'[server]\nsocket_mode = "0666"\n[log]\ndir = "{server.logs}"\n')
    server.start()
    limits = open(f"/proc/{server.brain()}/limits").read()
    allowed = int(next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3])
    if allowed < 4500:
        pytest.skip(f"the server may open {allowed} descriptors only")
    ready_read, ready_write = os.pipe()
    end_read, end_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(end_write)
            os.setgid(65534)
            os.setuid(65534)
            kept = []
            for _ in range(4096):
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(5)
                connection.connect(str(server.socket))
                kept.append(connection)
            # the last ones were closed at once: wait until that is seen
            kept[-1].recv(1)
            os.write(ready_write, b"x")
            os.read(end_read, 1)
        finally:
            os._exit(0)
    os.close(ready_write)
    try:
        assert os.read(ready_read, 1) == b"x"
        info = server.rpc("system.info")
        assert 4096 - 64 <= info["connections"] <= 4096
        assert server.rpc("system.ping")
    finally:
        os.close(end_write)
        os.waitpid(child, 0)
        os.close(ready_read)
        os.close(end_read)
    wait_for(lambda: server.rpc("system.info")["connections"] <= 2, 10)
