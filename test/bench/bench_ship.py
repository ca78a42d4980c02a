#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Shipping: lines a second, and CPU seconds per million lines, from a service to a receiver that does nothing.

Usage: bench_ship.py [--build DIR] [--lines N] [--batches 100,5000] [--compression none,gzip,zstd] [--syslog-ng DIR]

One million lines of 100 bytes by default, written by cat(1) to a ring that holds them all. The receiver reads bodies and answers
204; its own CPU is not counted. "shipper" is zinit-shipper alone, "zinit" the server with its log threads and the shipper.
DIR of --syslog-ng: where syslog-ng-core and syslog-ng-mod-http were unpacked (dpkg -x); it tails the same file and sends by http().
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

TICK = os.sysconf("SC_CLK_TCK")


class Receiver:
    """HTTP/1.1 with Content-Length, and nothing else: as little as Python can do per request."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.requests = self.bytes = self.lines = 0
        self.count_lines = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        buffer = bytearray(1 << 20)
        view, have = memoryview(buffer), b""
        with contextlib.suppress(OSError):
            while True:
                while b"\r\n\r\n" not in have:
                    chunk = connection.recv(65536)
                    if not chunk:
                        return
                    have += chunk
                head, _, rest = have.partition(b"\r\n\r\n")
                at = head.lower().index(b"content-length:") + 15
                left = int(head[at:].split(b"\r\n", 1)[0])
                self.requests += 1
                self.bytes += left
                self.lines += rest.count(b"\n") if self.count_lines else 0
                left -= len(rest)
                while left > 0:
                    n = connection.recv_into(view, min(left, len(buffer)))
                    if not n:
                        return
                    self.lines += buffer.count(b"\n", 0, n) if self.count_lines else 0
                    left -= n
                have = b""
                connection.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")


def cpu(*pids):
    """CPU seconds that these processes have used."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def wait(predicate, timeout):
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise SystemExit("it does not come to an end")
        time.sleep(0.005)


def ship(arguments, place, file, batch, compression):
    from harness.server import Server
    receiver, server = Receiver(), Server()
    try:
        server.settings.write_text(
            f"[log]\ndir = {json.dumps(str(server.logs))}\n[[ship]]\nname = 'bench'\ntype = 'vector'\n"
            f"endpoint = 'http://127.0.0.1:{receiver.port}/'\nbatch_size = {batch}\nbatch_bytes = '8M'\n"
            f"compression = '{compression}'\non_failure = 'retry'\nqueue_lines = 20000\nflush_interval_ms = 100\n")
        server.add("idle", "exec sleep 1000")
        server.start()
        wait(lambda: server.rpc("ship.status")["pid"], 10)
        server.add("flood", f"cat {file}; exec sleep 1000", buffer_lines=1 << 20, buffer_bytes=256 << 20, store=False)
        shipper, brain = server.rpc("ship.status")["pid"], server.brain()
        before, began = (cpu(shipper), cpu(brain)), time.monotonic()
        server.rpc("service.reload")
        wait(lambda: server.rpc("ship.status")["sinks"][0]["acked"] >= arguments.lines, 300)
        wall = time.monotonic() - began
        after, seen = (cpu(shipper), cpu(brain)), server.rpc("ship.status")["sinks"][0]
        lost = sum(seen[key] for key in ("dropped", "overrun", "refused", "set_aside"))
        assert lost == 0, seen
        return wall, after[0] - before[0], sum(after) - sum(before), receiver
    finally:
        server.clean_up()
        server.remove()
        receiver.listener.close()


def syslog_ng(arguments, place, file, batch, compression):
    """The peer: the same lines from a file, by http(), with the same fields."""
    root, receiver = pathlib.Path(arguments.syslog_ng), Receiver()
    receiver.count_lines = True
    config, target = place / "syslog-ng.conf", place / "tailed"
    target.write_bytes(b"")
    config.write_text(f'''@version: 3.35
options {{ stats-freq(0); }};
source s {{ file("{target}" follow-freq(0.1) flags(no-parse) log-fetch-limit(10000) log-iw-size(200000)); }};
destination d {{ http(url("http://127.0.0.1:{receiver.port}/") method("POST") batch-lines({batch}) batch-bytes(8388608) batch-timeout(100)
  workers(1) log-fifo-size(1000000)
  body('$(format-json timestamp=$ISODATE host=$HOST service="flood" stream="stdout" content=$MESSAGE)') body-suffix("\\n")); }};
log {{ source(s); destination(d); flags(flow-control); }};
''')
    lib = root / "usr/lib"
    paths = ":".join(str(p) for p in [lib / "syslog-ng", lib / "x86_64-linux-gnu"])
    modules = next(str(p.parent) for p in lib.rglob("libhttp.so"))
    process = subprocess.Popen(
        [root / "usr/sbin/syslog-ng", "-F", "-f", config, "--no-caps", "--module-path", modules, "-R", place / "persist", "-p", place / "pid",
         "-c", place / "ctl"], env={**os.environ, "LD_LIBRARY_PATH": paths}, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: (place / "ctl").exists(), 10)
        before, began = cpu(process.pid), time.monotonic()
        shutil.copyfile(file, target)
        wait(lambda: receiver.lines >= arguments.lines, 300)
        wall = time.monotonic() - began
        return wall, cpu(process.pid) - before, cpu(process.pid) - before, receiver
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build")
    parser.add_argument("--lines", type=int, default=1000000)
    parser.add_argument("--batches", default="100,5000")
    parser.add_argument("--compression", default="none,gzip,zstd")
    parser.add_argument("--syslog-ng")
    arguments = parser.parse_args()
    if arguments.build:
        os.environ["ZINIT_BUILD"] = str(pathlib.Path(arguments.build).resolve())
    place = pathlib.Path(tempfile.mkdtemp(prefix="bench-ship-"))
    file = place / "lines"
    text = "x" * 90
    with open(file, "w") as out:
        out.writelines(f"{i:08} {text}\n" for i in range(arguments.lines))
    print(f"load average {os.getloadavg()[0]:.1f}; {arguments.lines} lines of 100 bytes")
    print(f"{'who':10} {'batch':>6} {'pack':>5} {'lines/s':>10} {'shipper CPU s/M':>16} {'whole CPU s/M':>14} {'requests':>9} {'MB sent':>8}")
    try:
        for batch in map(int, arguments.batches.split(",")):
            for compression in arguments.compression.split(","):
                runs = [("zinit", ship)]
                if arguments.syslog_ng and compression == "none":  # 3.38 does not compress
                    runs.append(("syslog-ng", syslog_ng))
                for name, run in runs:
                    wall, own, whole, receiver = run(arguments, place, file, batch, compression)
                    million = arguments.lines / 1e6
                    print(f"{name:10} {batch:6} {compression:>5} {arguments.lines / wall:10.0f} {own / million:16.2f} "
                          f"{whole / million:14.2f} {receiver.requests:9} {receiver.bytes / 1e6:8.1f}", flush=True)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
