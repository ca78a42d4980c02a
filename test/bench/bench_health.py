#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Health checks at scale: many services with a check a second, by zinit, by a bare libcurl loop, and by peers that are installed.

Usage: bench_health.py [--services N] [--seconds S] [--kind tcp|http] [--only zinit,libcurl,monit,process-compose]
Needs a build with benches (ZINIT_BUILD, default ./build). monit is Debian's; process-compose is taken from $PATH, or from $PROCESS_COMPOSE.

CPU is that of all processes of the checker together, of the target not. `late`: how far a probe is from the beat of its service
(of one a second, whose phase is that of its earliest probe); `gap`: from one probe of a service to the next.
"""
import argparse
import contextlib
import os
import pathlib
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("ZINIT_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "test" / "e2e"))
from harness.server import Server  # noqa: E402
from harness import processes  # noqa: E402
from harness.wait import wait_for  # noqa: E402

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Target(threading.Thread):
    """Listens at one port per service, in a thread of its own; notes when each was asked."""

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

    def all_asked(self):
        return all(self.asked)

    def clear(self):
        for asked in self.asked:
            asked.clear()


def lateness(all_asked):
    """Of every probe after a service's first: how far it is from its beat of one a second, in ms, sorted."""
    late = []
    for asked in all_asked:
        if len(asked) < 2:
            continue
        phase = min(t % 1.0 for t in asked) if max(t % 1.0 for t in asked) - min(t % 1.0 for t in asked) < 0.5 else \
            min((t + 0.5) % 1.0 for t in asked) - 0.5
        late += [((t - phase) % 1.0) * 1000 for t in asked]
    return sorted(late)


def gaps(all_asked):
    return sorted((b - a) * 1000 for asked in all_asked for a, b in zip(asked, asked[1:]))


def quantile(values, q):
    return values[min(len(values) - 1, int(len(values) * q))] if values else float("nan")


# --- who checks: each gives, while it runs, a function that returns its pids ------------------------------------------


@contextlib.contextmanager
def zinit(kind, ports):
    server = Server()
    for i, port in enumerate(ports):
        at = f"127.0.0.1:{port}" if kind == "tcp" else f"http://127.0.0.1:{port}/"
        server.add(f"s{i}", "exec sleep 100000", health={"type": kind, "target": at, "interval_ms": 1000})
    try:
        server.start()
        wait_for(lambda: all(s["state"] == "running" for s in server.all().values()), 120)
        yield lambda: [server.keeper, *(p for p in processes.children(server.keeper) if "zinit-" in processes.command(p))]
    finally:
        server.clean_up()
        server.remove()


@contextlib.contextmanager
def running(command, **options):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **options) as child:
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


@contextlib.contextmanager
def libcurl(kind, ports):
    with running([BUILD / "test" / "bench" / "bench_curl", kind, *map(str, ports)]) as child:
        yield lambda: [child.pid]


@contextlib.contextmanager
def monit(kind, ports):
    """One process, whose cycles are a second; each asks all ports one after another."""
    test = "" if kind == "tcp" else " protocol http"
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "monitrc")
        config.write_text(f"set daemon 1\nset pidfile {folder}/pid\nset idfile {folder}/id\nset statefile {folder}/state\n" + "".join(
            f"check host s{i} with address 127.0.0.1\n  if failed port {port}{test} then alert\n" for i, port in enumerate(ports)))
        config.chmod(0o600)
        with running(["monit", "-I", "-c", config]) as child:
            yield lambda: [child.pid]


@contextlib.contextmanager
def process_compose(kind, ports):
    """A sleep each, with an HTTP readiness probe every second (it has no tcp probe)."""
    if kind != "http":
        raise FileNotFoundError("it has no tcp probe")
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "compose.yaml")
        config.write_text('version: "0.5"\nlog_level: fatal\nprocesses:\n' + "".join(
            f"  s{i}:\n    command: exec sleep 100000\n    readiness_probe:\n      http_get: {{host: 127.0.0.1, scheme: http, "
            f"path: /, port: {port}}}\n      period_seconds: 1\n      initial_delay_seconds: 1\n" for i, port in enumerate(ports)))
        command = [os.environ.get("PROCESS_COMPOSE", "process-compose"), "-f", config, "-t=false", "--no-server", "up"]
        with running(command, cwd=folder, env={**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder}) as child:
            yield lambda: [child.pid]


CHECKERS = {"zinit": zinit, "libcurl": libcurl, "monit": monit, "process-compose": process_compose}


def installed(name):
    program = {"monit": "monit", "process-compose": os.environ.get("PROCESS_COMPOSE", "process-compose")}.get(name)
    return not program or shutil.which(program)


def measure(name, kind, n, seconds):
    target = Target(n)
    target.start()
    with CHECKERS[name](kind, target.ports) as pids_of:
        wait_for(target.all_asked, 120, "every service was asked once")
        time.sleep(3)
        target.clear()
        pids = pids_of()
        before, begun = sum(processes.cpu_seconds(p) for p in pids), time.monotonic()
        time.sleep(seconds)
        spent, took = sum(processes.cpu_seconds(p) for p in pids) - before, time.monotonic() - begun
        asked = [list(one) for one in target.asked]
    late, gap, asked = lateness(asked), gaps(asked), sum(map(len, asked))
    print(f"| {name} | {kind} | {spent / took * 100:.1f} | {asked / took:.0f} | {spent / max(asked, 1) * 1e6:.0f} | "
          f"{quantile(late, 0.5):.1f} | {quantile(late, 0.99):.1f} | {quantile(late, 1):.1f} | {quantile(gap, 0.99):.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--kind", choices=["tcp", "http"])
    parser.add_argument("--only", default=",".join(CHECKERS))
    options = parser.parse_args()
    print(f"{options.services} services, a check a second, {options.seconds} s; load average {os.getloadavg()[0]:.1f}\n")
    print("| checker | kind | CPU % | probes/s | CPU us/probe | late p50 ms | p99 ms | max ms | gap p99 ms |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for kind in [options.kind] if options.kind else ["tcp", "http"]:
        for name in options.only.split(","):
            if not installed(name):
                print(f"| {name} | {kind} | not installed |")
                continue
            try:
                measure(name, kind, options.services, options.seconds)
            except FileNotFoundError as error:
                print(f"| {name} | {kind} | {error} |")


if __name__ == "__main__":
    main()
