#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""P15: SIGKILL to the server until the control socket answers and lines flow; and whether a line is missing.

bench_recovery.py [--services 10,100,1000] [--kills N]     ZINIT_BUILD names the build directory
"""
import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from harness import processes  # noqa: E402
from harness.killing import brain_of, consecutive_from_one, patiently  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wait import wait_for  # noqa: E402

COUNT = "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.005; done"


def last_line(server):
    return int(server.log("count", 1)[0]["line"])


def soon(call):
    """As fast as a client can: try again at once."""
    while True:
        try:
            return call()
        except (OSError, EOFError):
            pass


def measure(services, kills):
    """Milliseconds until an answer, and until a line that was written after it is there."""
    server = Server()
    server.add("count", COUNT, buffer_lines=1000000)
    for n in range(services - 1):
        server.add(f"s{n}", "exec sleep 1000")
    server.start()
    wait_for(lambda: all(s["state"] == "running" for s in server.all().values()), 120)
    server.wait_line("count", "10")
    answers, flows = [], []
    for _ in range(kills):
        brain = brain_of(server.keeper)
        began = time.monotonic()
        processes.kill(brain)
        soon(lambda: server.rpc("system.ping"))
        answers.append((time.monotonic() - began) * 1000)
        first = soon(lambda: last_line(server))
        while soon(lambda: last_line(server)) == first:
            pass
        flows.append((time.monotonic() - began) * 1000)
        # what is measured is a death now and then, which the keeper does not slow down
        wait_for(lambda: time.monotonic() - began > 1.1, 3)
    server.cli("stop", "count")
    gap = consecutive_from_one([int(e["line"]) for e in patiently(lambda: server.log("count", 1 << 30))])
    problems = server.clean_up()
    server.remove()
    return answers, flows, gap or problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", default="10,100,1000")
    parser.add_argument("--kills", type=int, default=15)
    options = parser.parse_args()
    print("services | socket answers: p50 / max ms | a new line is read: p50 / max ms | lines lost or doubled")
    for services in map(int, options.services.split(",")):
        answers, flows, gap = measure(services, options.kills)
        print(f"{services} | {statistics.median(answers):.1f} / {max(answers):.1f} | {statistics.median(flows):.1f} / {max(flows):.1f} | {gap or 0}",
              flush=True)


if __name__ == "__main__":
    main()
