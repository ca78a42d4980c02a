#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill the server for as long as you like: kill.py --kills 100000, or kill.py --system-calls for every one of them."""
import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from harness import killing, syscalls  # noqa: E402
from harness.server import Server  # noqa: E402

KILLS_A_ROUND = 1000
LOADS = {"few": killing.FEW, "fifty": killing.FIFTY}


def attempt(work):
    """Run `work` on a server of its own, which leaves its directory behind if something is wrong."""
    server = Server()
    try:
        work(server)
    except BaseException:
        print(f"what is left of the server is in {server.dir}", file=sys.stderr)
        raise
    problems = server.clean_up()
    if problems:
        raise SystemExit("\n".join(problems))
    server.remove()


def every_system_call(server):
    scenario = syscalls.Scenario(server)
    scenario.start()
    stops = scenario.points()
    killed = scenario.run(range(1, stops + 1))
    print(f"{stops} instants before and after system calls, {killed} servers killed there: nothing lost")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="at random instants (1000)")
    parser.add_argument("--load", choices=LOADS, default="few", help="how many services there are (few)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--system-calls", action="store_true", help="at each system call of a scenario instead")
    options = parser.parse_args()
    if options.system_calls:
        attempt(every_system_call)
        return
    for done in range(0, options.kills, KILLS_A_ROUND):
        kills = min(KILLS_A_ROUND, options.kills - done)
        attempt(lambda server, seed=options.seed + done, n=kills: killing.run(server, n, seed, LOADS[options.load]))
        print(f"{done + kills} kills, seed {options.seed + done}: nothing lost", flush=True)


if __name__ == "__main__":
    main()
