#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
How long control is away in a live upgrade: a client asks system.ping on one connection, again as soon as it has its answer, while the server
is replaced by the next version and that by this one again; the longest wait around each upgrade is its gap. Some services
print lines meanwhile; at the end every line is counted.

    ZINIT_BUILD=build python3 test/bench/bench_upgrade.py [--services 10,100,1000] [--upgrades 40]
"""
import argparse
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from harness.server import Server, binary  # noqa: E402
from harness.wait import wait_for  # noqa: E402

PRINTERS = 5
PRINT = "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.01; done"


class Asker(threading.Thread):
    """Waits of a client that asks again and again: (when the answer came, how long it took)."""

    def __init__(self, server):
        super().__init__()
        self.connection = server.connect(30)
        self.end = False
        self.waits = []

    def run(self):
        while not self.end:
            begun = time.monotonic()
            self.connection.call("system.ping")
            self.waits.append((time.monotonic(), time.monotonic() - begun))

    def longest(self, since, until):
        return max(wait for at, wait in self.waits if since <= at <= until)


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure(services, upgrades):
    server = Server()
    try:
        for n in range(services - PRINTERS):
            server.add(f"s{n}", "exec sleep 100000")
        for n in range(PRINTERS):
            server.add(f"p{n}", PRINT, store=True)
        server.start()
        wait_for(lambda: all(s["state"] == "running" for s in server.all().values()), 120)
        pids = {name: s["pid"] for name, s in server.all().items()}
        asker = Asker(server)
        asker.start()
        gaps, told = [], []
        programs = [binary("zinit-server-next"), binary("zinit-server")]
        for n in range(upgrades):
            begun = time.monotonic()
            told.append(server.rpc("system.upgrade", {"path": str(programs[n % 2])}, 60)["gap_us"] / 1000)
            at = len(asker.waits)
            wait_for(lambda: len(asker.waits) > at + 1, 10)
            gaps.append(asker.longest(begun, time.monotonic()) * 1000)
        asker.end = True
        asker.join()
        assert {name: s["pid"] for name, s in server.all().items()} == pids, "a pid changed"
        for n in range(PRINTERS):
            server.cli("stop", f"p{n}")
            lines = [int(line) for line in server.cli("logs", "--output", "raw", "-n", "10000000", f"p{n}").stdout.split()]
            assert lines == list(range(1, len(lines) + 1)), f"p{n}: lines lost, doubled or out of order"
        print(f"| {services} | {upgrades} | {percentile(gaps, 0.5):.1f} | {percentile(gaps, 0.99):.1f} | {max(gaps):.1f} | {percentile(told, 0.5):.1f} |", flush=True)
    finally:
        server.clean_up()
        server.remove()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", default="10,100,1000")
    parser.add_argument("--upgrades", type=int, default=40)
    options = parser.parse_args()
    print("| services | upgrades | gap p50 ms | p99 | max | of it between the servers, p50 |\n|---|---|---|---|---|---|")
    for services in options.services.split(","):
        measure(int(services), options.upgrades)


if __name__ == "__main__":
    main()
