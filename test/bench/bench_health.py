#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Health checks at scale: many services with a check a second; CPU of all our processes, and how late probes come.

Usage: bench_health.py [--services N] [--seconds S] [--kind tcp|http|both]. Needs a build (ZINIT_BUILD, default ./build).
The yardstick is a bare libcurl loop that asks the same questions at the same rate (curl's own command line tool, in parallel).
"""
import argparse
import os
import pathlib
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "test" / "e2e"))
from harness.server import Server  # noqa: E402
from harness import processes  # noqa: E402
from harness.wait import wait_for  # noqa: E402

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Target(threading.Thread):
    """Listens at one port per service, in a process of its own thread; notes when each was asked."""

    def __init__(self, n):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.asked = [[] for _ in range(n)]
        self.ports = []
        for i in range(n):
            s = socket.create_server(("127.0.0.1", 0))
            s.setblocking(False)
            self.ports.append(s.getsockname()[1])
            self.selector.register(s, selectors.EVENT_READ, i)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if isinstance(key.data, int):
                    conn, _ = key.fileobj.accept()
                    self.asked[key.data].append(time.monotonic())
                    conn.setblocking(False)
                    self.selector.register(conn, selectors.EVENT_READ, "client")
                else:
                    self.answer(key.fileobj)

    def answer(self, conn):
        try:
            if conn.recv(4096):
                conn.send(ANSWER)
        except OSError:
            pass
        self.selector.unregister(conn)
        conn.close()

    def clear(self):
        for asked in self.asked:
            asked.clear()


def lateness(target):
    """Of every probe after a service's first: how far it is from its beat of one a second, in ms, sorted."""
    late = []
    for asked in target.asked:
        if len(asked) < 2:
            continue
        phase = min(t % 1.0 for t in asked) if max(t % 1.0 for t in asked) - min(t % 1.0 for t in asked) < 0.5 else \
            min((t + 0.5) % 1.0 for t in asked) - 0.5
        late += [((t - phase) % 1.0) * 1000 for t in asked]
    return sorted(late)


def ours(server):
    return [server.keeper, *(p for p in processes.children(server.keeper) if "zinit-" in processes.command(p))]


def measure(kind, n, seconds):
    server, target = Server(), Target(n)
    target.start()
    for i, port in enumerate(target.ports):
        at = f"127.0.0.1:{port}" if kind == "tcp" else f"http://127.0.0.1:{port}/"
        server.add(f"s{i}", "exec sleep 100000", health={"type": kind, "target": at, "interval_ms": 1000})
    try:
        server.start()
        wait_for(lambda: all(s["state"] == "running" for s in server.all().values()), 120)
        time.sleep(3)
        pids = ours(server)
        target.clear()
        before, begun = sum(processes.cpu_seconds(p) for p in pids), time.monotonic()
        time.sleep(seconds)
        cpu = (sum(processes.cpu_seconds(p) for p in pids) - before) / (time.monotonic() - begun)
        late = lateness(target)
    finally:
        server.clean_up()
        server.remove()
    asked = len(late) / seconds
    print(f"zinit  {kind:4} {n} services: {cpu * 100:5.1f} % CPU, {asked:6.0f} probes/s, late p50 {late[len(late) // 2]:.1f} ms, "
          f"p99 {late[len(late) * 99 // 100]:.1f} ms, max {late[-1]:.1f} ms")


def yardstick(n, seconds):
    """curl asks n URLs once a second, in one process per round."""
    target = Target(n)
    target.start()
    with tempfile.NamedTemporaryFile("w", suffix=".curlrc") as config:
        config.write("".join(f"url = http://127.0.0.1:{p}/\noutput = /dev/null\n" for p in target.ports))
        config.flush()
        before = os.times()
        for _ in range(seconds):
            subprocess.run(["curl", "-s", "--no-keepalive", "-Z", "--parallel-max", "50", "-K", config.name],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        after = os.times()
    cpu = (after.children_user + after.children_system - before.children_user - before.children_system) / seconds
    print(f"curl   http {n} URLs once a second: {cpu * 100:5.1f} % CPU (of that rate, back to back)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--kind", choices=["tcp", "http", "both"], default="both")
    options = parser.parse_args()
    for kind in ("tcp", "http") if options.kind == "both" else (options.kind,):
        measure(kind, options.services, options.seconds)
    yardstick(options.services, min(options.seconds, 5))


if __name__ == "__main__":
    main()
