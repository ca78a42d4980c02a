#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Log capture and search beside peers, in one run, interleaved; prints tables of medians.

    ZINIT_BUILD=build-release test/bench/peers.py capture [-m MB] [-r ROUNDS] [-w WRITERS] [-k blocks|lines] [--dir DIR]
    ZINIT_BUILD=build-release test/bench/peers.py search  [-m MB] [-r ROUNDS] [--regex RE] [--dir DIR]

capture: WRITERS write lines of 100 bytes, MB in all; what is measured is the CPU time of the capturing side and the time
until it has everything. Files go to DIR (default: memory, so that the disk is not what is measured). search: over
compressed segments, made first. A peer that is not installed is named as skipped. Debian's packages: s6 runit daemontools
supervisor conmon ripgrep zstd. dinit and systemd are not among them: dinit hands its service the file and captures
nothing; journald can't be run beside the one of the system.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness.server import BUILD, Server, service_toml  # noqa: E402
from harness.wait import wait_for  # noqa: E402

PIPE = BUILD / "test/bench/bench_pipe"
SEARCH = BUILD / "test/bench/bench_search"
LINE = 100
ROTATE = 16 << 20
PATIENCE = 600
RUNTIME = """#!/bin/sh
while [ $# -gt 0 ]; do
	case "$1" in --bundle|-b) b=$2; shift ;; --pid-file) f=$2; shift ;; esac
	shift
done
sh "$b/cmd" </dev/null &
printf %s $! >"$f"
"""


class Work:
    """What is written: by how many, how much each, how many bytes a write(2)."""

    def __init__(self, options, place):
        self.writers, self.place = options.w, place
        self.each = options.m * 1_000_000 // options.w // LINE * LINE
        self.size = LINE if options.k == "lines" else 64 << 10
        self.fifo = place / "fifo"

    @property
    def total(self):
        return self.each * self.writers

    def emit(self, gated=False):
        return [str(PIPE), "emit", str(self.each), str(self.size)] + ([str(self.fifo)] if gated else [])

    def open_gate(self):
        """Every writer that waits for the FIFO goes on."""
        return os.open(self.fifo, os.O_RDWR)


def cpu_of(pids):
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / ticks


def written(folder):
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


# --- those that read stdin: CPU by wait4(2) -------------------------------------------------------------------


def by_pipe(command):
    """`command(folder)`: the program that captures one writer's lines into `folder`."""
    def run(work):
        began = time.monotonic()
        takers, writers = [], []
        for i in range(work.writers):
            folder = work.place / str(i)
            folder.mkdir()
            read_end, write_end = os.pipe()
            takers.append(subprocess.Popen(command(folder), stdin=read_end, stdout=subprocess.DEVNULL))
            writers.append(subprocess.Popen(work.emit(), stdout=write_end))
            os.close(read_end)
            os.close(write_end)
        cpu = 0
        for taker in takers:
            _, status, usage = os.wait4(taker.pid, 0)
            taker.returncode = status
            assert status == 0, f"{taker.args} ended with {status}"
            cpu += usage.ru_utime + usage.ru_stime
        wall = time.monotonic() - began
        for writer in writers:
            assert writer.wait() == 0
        return cpu, wall
    return run


def svlogd(folder):
    (folder / "config").write_text(f"s{ROTATE}\nn1000\n")
    return ["svlogd", "-tt", "-b", "65536", str(folder)]


# --- those that start their writers: CPU by /proc ---------------------------------------------------------------


def gated(start, done, stop):
    def run(work):
        os.mkfifo(work.fifo)
        state = start(work)
        before = cpu_of(state["pids"])
        began = time.monotonic()
        gate = work.open_gate()
        try:
            wait_for(lambda: done(work, state), PATIENCE, "everything is captured")
            return cpu_of(state["pids"]) - before, time.monotonic() - began
        finally:
            os.close(gate)
            stop(state)
    return run


def end_process(state):
    state["process"].terminate()
    state["process"].wait()


def start_supervisord(work):
    logs = work.place / "logs"
    logs.mkdir()
    text = (f"[supervisord]\nnodaemon=true\nuser=root\nlogfile={work.place}/own\nloglevel=warn\npidfile={work.place}/pid\n")
    for i in range(work.writers):
        text += (f"[program:w{i}]\ncommand={' '.join(work.emit(True))}\nautorestart=false\nstartsecs=0\nstderr_logfile=NONE\n"
                 f"stdout_logfile={logs}/w{i}\nstdout_logfile_maxbytes={ROTATE}\nstdout_logfile_backups=1000\n")
    (work.place / "conf").write_text(text)
    process = subprocess.Popen(["supervisord", "-n", "-s", "-c", work.place / "conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(logs.iterdir())) == work.writers, 30, "supervisord is up")
    return {"process": process, "pids": [process.pid], "logs": logs}


def start_conmon(work):
    runtime = work.place / "runtime"
    runtime.write_text(RUNTIME)
    runtime.chmod(0o755)
    logs = work.place / "logs"
    logs.mkdir()
    pids = []
    for i in range(work.writers):
        bundle = work.place / f"w{i}"
        bundle.mkdir()
        (bundle / "cmd").write_text(f"exec {' '.join(work.emit(True))}\n")
        subprocess.run(["conmon", "--api-version", "1", "-c", f"w{i}", "-u", f"w{i}", "-n", f"w{i}", "-r", runtime, "-b", bundle,
                        "-p", bundle / "pid", "-P", bundle / "conmon.pid", "-l", f"k8s-file:{logs}/w{i}", "--exit-dir", bundle,
                        "--socket-dir-path", bundle, "--log-level", "error"], check=True, stdout=subprocess.DEVNULL)
        pids.append(int(wait_for(lambda: (bundle / "conmon.pid").exists() and (bundle / "conmon.pid").read_text(), 10)))
    return {"pids": pids, "logs": logs, "prefix": len("2026-11-23T05:00:00.123456789+00:00 stdout F ")}


def all_in_files(work, state):
    return written(state["logs"]) >= work.total // LINE * (LINE + state.get("prefix", 0))


def end_conmon(state):
    for pid in state["pids"]:
        os.kill(pid, signal.SIGTERM)


def zinit(store):
    def start(work):
        server = Server()
        server.logs = work.place / "logs"
        server.settings.write_text(f"[log]\ndir = {json.dumps(str(server.logs))}\n")
        for i in range(work.writers):
            text = service_toml(f"w{i}", exec=work.emit(True), oneshot=True, store=store, on_full="block")
            server.write(f"w{i}.toml", text + f'max_size = "{ROTATE}"\nmax_files = 1000\ncompress = "none"\n')
        server.start()
        wait_for(lambda: all(s["state"] == "starting" and s.get("pid") for s in server.all().values()), 30, "the writers are up")
        return {"server": server, "pids": [server.keeper, server.brain()]}

    def done(work, state):
        stats = [s for s in state["server"].rpc("logs.stats") if s["service"] != "zinit"]
        key = "stored_lines" if store else "lines_read"
        return sum(s[key] for s in stats) >= work.total // LINE

    def stop(state):
        state["server"].shutdown()
        state["server"].remove()

    return gated(start, done, stop)


CAPTURE = {
    "(limit) scan": ("", by_pipe(lambda folder: [str(PIPE), "scan"])),
    "(limit) scan, write": ("", by_pipe(lambda folder: [str(PIPE), "store", str(folder / "out")])),
    "zinit, ring": ("", zinit(False)),
    "zinit, ring and store": ("", zinit(True)),
    "s6-log": ("s6-log", by_pipe(lambda folder: ["s6-log", "-b", f"s{min(ROTATE, 16777215)}", "n1000", "T", str(folder)])),
    "svlogd": ("svlogd", by_pipe(svlogd)),
    "multilog": ("multilog", by_pipe(lambda folder: ["multilog", "t", f"s{min(ROTATE, 16777215)}", "n1000", str(folder)])),
    "supervisord": ("supervisord", gated(start_supervisord, all_in_files, end_process)),
    "conmon": ("conmon", gated(start_conmon, all_in_files, end_conmon)),
}


# --- search -------------------------------------------------------------------------------------------------------


def timed(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(command, shell=True, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - began


def searches(options, folder):
    minute = "2026-09-21T13:36:"  # as long as the one that bench_search looks for
    pattern = f"'{options.regex}'"
    table = {
        "regex: zinit": (str(SEARCH), f"{SEARCH} -d {folder} -g {pattern}"),
        "regex: ripgrep -z": ("rg", f"rg -z --no-filename -c {pattern} {folder}"),
        "regex: zstdgrep": ("zstdgrep", f"zstdgrep -E -h -c {pattern} {folder}/*"),
        "one minute: zinit": (str(SEARCH), f"{SEARCH} -d {folder} -t 2"),
        "one minute: ripgrep -z": ("rg", f"rg -z --no-filename -c '^{minute}' {folder}"),
        "one minute: zstdgrep": ("zstdgrep", f"zstdgrep -h -c '^{minute}' {folder}/*"),
    }
    return {name: (needs, lambda work, command=command: timed(command)) for name, (needs, command) in table.items()}


# --- rounds and tables ----------------------------------------------------------------------------------------------


def run_rounds(peers, options, make_work):
    results = {name: [] for name in peers}
    for number in range(options.r):
        order = [name for name, (needs, _) in peers.items() if not needs or shutil.which(needs)]
        random.Random(number).shuffle(order)
        for name in order:
            with tempfile.TemporaryDirectory(prefix="zinit-peers-", dir=options.dir) as place:
                try:
                    results[name].append(peers[name][1](make_work(pathlib.Path(place))))
                except (AssertionError, OSError, subprocess.SubprocessError) as error:
                    print(f"{name}: {error}", file=sys.stderr)
    return results


def print_table(results, peers, options, limit):
    def median(name, i):
        return statistics.median(r[i] for r in results[name]) if results[name] else None

    base = median(limit, 0)
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"\n{options.m} MB, {options.r} rounds, load average {load}\n\n| | CPU s per GB | ns CPU a line | MB/s | × {limit} |\n|---|---:|---:|---:|---:|")
    for name, (needs, _) in peers.items():
        cpu, wall = median(name, 0), median(name, 1)
        if cpu is None:
            print(f"| {name} | {'failed' if not needs or shutil.which(needs) else 'skipped: not installed'} | | | |")
            continue
        print(f"| {name} | {cpu * 1000 / options.m:.2f} | {cpu * 1e9 / (options.m * 1e6 / LINE):.0f} | {options.m / wall:.0f} | "
              f"{cpu / base if base else 0:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["capture", "search"])
    parser.add_argument("-m", type=int, default=1000, metavar="MB")
    parser.add_argument("-r", type=int, default=3, metavar="ROUNDS")
    parser.add_argument("-w", type=int, default=1, metavar="WRITERS")
    parser.add_argument("-k", choices=["blocks", "lines"], default="blocks")
    parser.add_argument("--regex", default="GET /item/1234[0-9]+ HTTP.* 503 ")
    parser.add_argument("--dir", default="/dev/shm")
    options = parser.parse_args()
    if options.what == "capture":
        results = run_rounds(CAPTURE, options, lambda place: Work(options, place))
        print(f"{options.w} writers, {'one line' if options.k == 'lines' else '64 KiB'} a write")
        print_table(results, CAPTURE, options, "(limit) scan, write")
        return
    with tempfile.TemporaryDirectory(prefix="zinit-search-", dir=options.dir) as folder:
        subprocess.run([SEARCH, "-d", folder, "-m", str(options.m)], check=True)
        peers = searches(options, folder)
        print_table(run_rounds(peers, options, lambda place: None), peers, options, "regex: ripgrep -z")


if __name__ == "__main__":
    main()
