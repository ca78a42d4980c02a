#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What looking costs: `list` and `status` of N services, by each program's own tool and by its protocol.

Usage: bench_rpc.py [-n 1000,10000] [-r 20] [-s 3] [-p zinit,reference,dinit,supervisord]

The services have no processes (status = "stop"; dinit: type internal), so that nothing but the looking is measured.
tool: wall and CPU milliseconds of the whole process, and of the server for it (its CPU over all rounds, divided), medians of
-r rounds. protocol: answers a second during -s seconds, each request sent when the last is answered, on 1 connection and on
100 at once, and the server's CPU microseconds for each; the client is Python, which is the slower side.
Peers: $ZINIT_BUILD (default build), $ZINIT_REFERENCE (zinit-server and zinit 0.3.9), dinit and dinitctl, supervisord on PATH.
"""
import argparse
import json
import os
import pathlib
import resource
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def wait_until(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit("bench_rpc.py: the server does not answer")
        time.sleep(0.02)


class Peer:
    name = ""
    protocol = True

    def __init__(self, folder, n):
        self.dir, self.n, self.process = pathlib.Path(folder), n, None

    def spawn(self, *command, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True, **options)

    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def stop(self):
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def json_request(self, method, params):
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n"

    def requests(self):
        return {"ping": self.json_request("system.ping", None), "status": self.json_request("service.status", {"name": "s7"}),
                "list": self.json_request("service.list_full", None)}

    def whole(self, data):
        """Is this a whole answer?"""
        return data.endswith(b"\n")

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.socket))
        return connection

    def write_toml(self, folder):
        folder.mkdir(parents=True)
        for i in range(self.n):
            (folder / f"s{i}.toml").write_text(f'[service]\nname = "s{i}"\nexec = "sleep 1000"\nstatus = "stop"\n')


class Zinit(Peer):
    name = "zinit"

    def start(self):
        build = pathlib.Path(os.environ.get("ZINIT_BUILD", ROOT / "build"))
        self.tool = build / "src/cli/zinit"
        self.socket = self.dir / "sock"
        self.write_toml(self.dir / "services")
        (self.dir / "zinit.toml").write_text(f'[log]\ndir = "{self.dir}/log"\n')
        self.spawn(build / "src/server/zinit-server", "-c", self.dir / "services", "-s", self.socket, "--settings", self.dir / "zinit.toml")
        wait_until(lambda: subprocess.run([self.tool, "-s", self.socket, "ping"], capture_output=True).returncode == 0)

    def tools(self):
        return {"list": [self.tool, "-s", self.socket, "list"], "status": [self.tool, "-s", self.socket, "status", "s7"]}

    def requests(self):
        return {**super().requests(), "table": self.json_request("service.table", {})}


class Reference(Peer):
    name = "reference"

    def start(self):
        folder = os.environ.get("ZINIT_REFERENCE")
        if not folder:
            raise FileNotFoundError("ZINIT_REFERENCE is not set")
        self.tool = pathlib.Path(folder) / "zinit"
        self.socket = self.dir / "hero/var/zinit.sock"
        self.socket.parent.mkdir(parents=True)
        self.write_toml(self.dir / "hero/cfg/zinit")
        os.environ["HOME"] = str(self.dir)
        self.spawn(pathlib.Path(folder) / "zinit-server")
        wait_until(lambda: self.socket.exists() and subprocess.run([self.tool, "ping"], capture_output=True).returncode == 0)

    def tools(self):
        return {"list": [self.tool, "list"], "status": [self.tool, "status", "s7"]}


class Dinit(Peer):
    name = "dinit"
    protocol = False

    def start(self):
        if not shutil.which("dinit"):
            raise FileNotFoundError("dinit is not on PATH")
        (self.dir / "d/boot.d").mkdir(parents=True)
        for i in range(self.n):
            (self.dir / f"d/s{i}").write_text("type = internal\n")
            (self.dir / f"d/boot.d/s{i}").write_text("")
        (self.dir / "d/boot").write_text("type = internal\nwaits-for.d = boot.d\n")
        self.socket = self.dir / "ctl"
        self.spawn("dinit", "-u", "-q", "-d", self.dir / "d", "-p", self.socket, "boot")
        wait_until(lambda: subprocess.run(["dinitctl", "-p", self.socket, "status", "boot"], capture_output=True).returncode == 0)

    def tools(self):
        return {"list": ["dinitctl", "-p", self.socket, "list"], "status": ["dinitctl", "-p", self.socket, "status", "s7"]}


class Supervisord(Peer):
    name = "supervisord"

    def start(self):
        if not shutil.which("supervisord"):
            raise FileNotFoundError("supervisord is not on PATH")
        self.socket = self.dir / "sock"
        conf = self.dir / "conf"
        conf.write_text(f"[supervisord]\nnodaemon=true\nuser=root\nlogfile={self.dir}/log\npidfile={self.dir}/pid\nminfds=4096\n"
                        f"[unix_http_server]\nfile={self.socket}\n[rpcinterface:supervisor]\n"
                        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
                        f"[supervisorctl]\nserverurl=unix://{self.socket}\n"
                        + "".join(f"[program:s{i}]\ncommand=sleep 1000\nautostart=false\n" for i in range(self.n)))
        self.spawn("supervisord", "-n", "-c", conf)
        self.ctl = ["supervisorctl", "-c", str(conf)]
        wait_until(self.socket.exists)

    def tools(self):
        return {"list": [*self.ctl, "status"], "status": [*self.ctl, "status", "s7"]}

    def http(self, method, param=""):
        body = f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params>{param}</params></methodCall>"
        return (f"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()

    def requests(self):
        name = "<param><value><string>s7</string></value></param>"
        return {"ping": self.http("supervisor.getState"), "status": self.http("supervisor.getProcessInfo", name),
                "list": self.http("supervisor.getAllProcessInfo")}

    def whole(self, data):
        head, separator, body = data.partition(b"\r\n\r\n")
        if not separator:
            return False
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        return len(body) >= length


def time_tool(peer, command, rounds):
    walls, cpus, before = [], [], cpu_of(peer.pids())
    for _ in range(rounds):
        usage, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        walls.append(time.monotonic() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime)
    server = (cpu_of(peer.pids()) - before) / rounds
    return [1000 * statistics.median(walls), 1000 * statistics.median(cpus), 1000 * server]


def rate(peer, request, connections, seconds):
    """Answers a second, and the server's CPU microseconds for one."""
    selector, buffers, count = selectors.DefaultSelector(), {}, 0
    for _ in range(connections):
        connection = peer.connect()
        buffers[connection] = b""
        selector.register(connection, selectors.EVENT_READ)
        connection.sendall(request)
    before, began = cpu_of(peer.pids()), time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        for key, _ in selector.select(1):
            connection = key.fileobj
            chunk = connection.recv(1 << 20)
            if not chunk:
                raise SystemExit("bench_rpc.py: the server dropped a client")
            buffers[connection] += chunk
            if peer.whole(buffers[connection]):
                buffers[connection] = b""
                count += 1
                connection.sendall(request)
    used = cpu_of(peer.pids()) - before
    for connection in buffers:
        connection.close()
    while cpu_of(peer.pids()) != before:  # what is still under way must not count for the next
        before = cpu_of(peer.pids())
        time.sleep(0.2)
    return [count / (now - began), 1e6 * used / max(count, 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", default="1000,10000")
    parser.add_argument("-r", type=int, default=20)
    parser.add_argument("-s", type=float, default=3)
    parser.add_argument("-p", default="zinit,reference,dinit,supervisord")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000) if hard != resource.RLIM_INFINITY else 20000, hard))
    kinds = {kind.name: kind for kind in (Zinit, Reference, Dinit, Supervisord)}
    print(f"load average {os.getloadavg()[0]:.1f}")
    print("| services | peer | tool list: wall / CPU / server ms | tool status: wall / CPU / server ms | "
          "protocol, on 1 and on 100 connections: answers/s (server µs) |\n|---:|---|---|---|---|")
    for n in map(int, options.n.split(",")):
        for name in options.p.split(","):
            with tempfile.TemporaryDirectory(prefix="zb-") as folder:
                peer = kinds[name](folder, n)
                try:
                    peer.start()
                except FileNotFoundError as reason:
                    print(f"| {n} | {name} | skipped: {reason} | | |")
                    continue
                try:
                    cells = [" / ".join(f"{ms:.1f}" for ms in time_tool(peer, peer.tools()[verb], options.r)) for verb in ("list", "status")]
                    said = []
                    for verb, request in peer.requests().items() if peer.protocol else ():
                        pair = [rate(peer, request, c, options.s) for c in (1, 100)]
                        said.append(f"{verb} " + ", ".join(f"{answers:,.0f} ({used:.0f})" for answers, used in pair))
                    print(f"| {n} | {name} | {cells[0]} | {cells[1]} | {'; '.join(said) or 'its own, binary'} |", flush=True)
                finally:
                    peer.stop()


if __name__ == "__main__":
    main()
