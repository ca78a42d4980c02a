# SPDX-License-Identifier: Apache-2.0
"""Much of everything: very long lines, millions of lines, rotation under load, thousands of cycles."""
import os
import re
import subprocess

import pytest
from harness import processes
from harness.server import line
from harness.wait import SLOWNESS, wait_for

SLEEP = "exec sleep 1000"
WARM_UP = 2
CYCLES = int(os.environ.get("ZINIT_CYCLES", "10"))


def stored(server, name):
    """What the disk has of a service after the server's end, rotated files too: (text, is it the end of a line), oldest first."""
    folder = server.logs / name
    rotated = sorted(folder.glob("*.zst"))
    plain = sorted(folder.glob("*.log"))
    data = b"".join(subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout for path in rotated)
    data += b"".join(path.read_bytes() for path in plain)
    for entry in data.splitlines():
        assert entry.count(b" ") >= 3, entry
        _, _, tag, text = entry.split(b" ", 3)
        yield text, tag.startswith(b"F")


def follow_to_the_end(server, name, last):
    """Lines and losses that a follower of the API is told until `last` is seen: (lines, lost)."""
    lines, lost = 0, 0
    with server.connect(60) as connection:
        connection.call("logs.follow", {"name": name, "lines": 0})
        (server.dir / "go").touch()
        while True:
            params = connection.notification()["params"]
            lost += params.get("lost", 0)
            entries = params.get("lines", [])
            lines += len(entries)
            if entries and line(entries[-1])["line"] == last:
                return lines, lost


def waits_for_go(server):
    return f"while [ ! -e {server.dir}/go ]; do sleep 0.01; done"


def test_a_line_of_a_hundred_megabytes(server):
    """Acceptance 23: the parts on disk, put together, are the line; the memory for it is bounded."""
    size = 100_000_000
    server.add("web", f"head -c {size} /dev/zero | tr '\\0' x; echo; echo after; {SLEEP}", store=True, on_full="block", max_line="64K",
               max_size="16M", max_files=100)
    server.start()
    server.wait_line("web", "after", 60)
    server.shutdown()
    entries = list(stored(server, "web"))
    assert sum(len(text) for text, _ in entries[:-1]) == size
    assert [whole for _, whole in entries].count(True) == 2, "one end of the long line, one of the last"
    assert max(len(text) for text, _ in entries) <= 65536


def test_ten_million_empty_lines(server):
    """Acceptance 23: received and reported lost are what was written."""
    total = int(10_000_000 / SLOWNESS)
    server.add("web", f"{waits_for_go(server)}; yes '' | head -n {total}; echo over; {SLEEP}", store=False)
    server.start()
    server.wait_state("web", "running")
    lines, lost = follow_to_the_end(server, "web", "over")
    assert lines + lost == total + 1


def test_rotation_under_load(server):
    """Acceptance 25: neither the disk nor a follower misses, doubles or reorders a line while files are rotated."""
    total = int(1_000_000 / SLOWNESS)
    server.add("web", f"{waits_for_go(server)}; seq 1 {total}; echo over; {SLEEP}", store=True, on_full="block",
               buffer_lines=50000, buffer_bytes="4M", max_size="1M", max_files=200)
    server.start()
    server.wait_state("web", "running")
    lines, lost = follow_to_the_end(server, "web", "over")
    assert lines + lost == total + 1
    server.shutdown()
    assert [text for text, _ in stored(server, "web")] == [b"%d" % n for n in range(1, total + 1)] + [b"over"]
    assert len(list((server.logs / "web").glob("*.zst"))) > 5, "files were rotated"


def footprint(server):
    """Descriptors and private memory (KiB) of the keeper and the server together. The rings fill up to their bound: they don't count."""
    pids = [server.keeper, server.brain()]
    private = sum(int(re.search(rb"RssAnon:\s+(\d+) kB", processes.read(pid, "status"))[1]) for pid in pids)
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids), private


@pytest.mark.memory
@pytest.mark.parametrize("services", [200])
def test_cycles_leave_nothing(server, services):
    """Acceptance 36: status, restart and rotation, over and over: descriptors and memory are back at the baseline."""
    for number in range(services):
        server.add(f"s{number}", f"yes filler | head -n 100; {SLEEP}", max_size="16K", max_files=3)
    server.start()
    wait_for(lambda: all(status["state"] == "running" for status in server.all().values()), 60)

    def cycle():
        before = {name: status["pid"] for name, status in server.all().items()}
        with server.connect(60) as connection:
            for name in before:
                connection.call("service.restart", {"name": name})
        wait_for(lambda: all(status["state"] == "running" and status["pid"] != before[name] for name, status in server.all().items()),
                 60, "all run anew")

    for _ in range(WARM_UP):
        cycle()
    descriptors, private = footprint(server)
    for _ in range(CYCLES):
        cycle()
    # A file that was just rotated is opened again at the next line: one descriptor a service comes and goes.
    wait_for(lambda: footprint(server)[0] <= descriptors + services, 10, f"back to {descriptors} descriptors")
    assert footprint(server)[1] <= private + 512
