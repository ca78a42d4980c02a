# SPDX-License-Identifier: Apache-2.0
"""Lines: none lost, none doubled, none changed, in order, with stream and time."""
import json
import os
import subprocess
import threading
import time

import pytest
from harness import processes
from harness.server import binary, line
from harness.wait import SLOWNESS, wait_for

SLEEP = "exec sleep 1000"


class Follower:
    """`zinit logs -f`, whose lines are gathered as they come."""

    def __init__(self, server, *arguments):
        self.process = server.cli_start("logs", "-f", "--output", "raw", *arguments)
        self.data = b""
        self.thread = threading.Thread(target=self.gather, daemon=True)
        self.thread.start()

    def gather(self):
        while chunk := os.read(self.process.stdout.fileno(), 1 << 16):
            self.data += chunk

    def lines(self):
        return self.data.decode().splitlines()

    def end(self):
        self.process.terminate()
        self.process.wait(10)
        self.thread.join(10)


@pytest.fixture
def follow():
    made = []

    def make(server, *arguments):
        made.append(Follower(server, *arguments))
        return made[-1]

    yield make
    for follower in made:
        follower.end()


def test_streams_times_and_order(server):
    server.add("web", f"echo one; echo two >&2; printf 'three\\n\\nfive\\n'; {SLEEP}")
    before = time.time()
    server.start()
    wait_for(lambda: len(server.lines("web")) == 5)
    entries = server.log("web")
    assert sorted(e["line"] for e in entries) == ["", "five", "one", "three", "two"]
    assert [e["line"] for e in entries if e["stream"] == "stdout"] == ["one", "three", "", "five"]
    assert [e["line"] for e in entries if e["stream"] == "stderr"] == ["two"]
    times = [e["timestamp"] / 1e9 for e in entries]
    assert times == sorted(times)
    assert before - 0.1 <= times[0] and times[-1] <= time.time() + 0.1


def test_last_n(server):
    server.add("web", f"seq 1 100; {SLEEP}")
    server.start()
    server.wait_line("web", "100")
    assert [e["line"] for e in server.log("web", 3)] == ["98", "99", "100"]
    assert server.cli("logs", "web", "-n", "2", "--output", "raw").stdout == "99\n100\n"


def test_bounded_by_lines(server):
    server.add("web", f"seq 1 1000; {SLEEP}", buffer_lines=10)
    server.start()
    server.wait_line("web", "1000")
    lines = [e["line"] for e in server.log("web")]
    assert lines[-10:] == [str(n) for n in range(991, 1001)]


def test_partial_last_line_is_kept(server):
    server.add("web", "printf 'no newline'; exit 0", restart="never")
    server.start()
    server.wait_state("web", "exited")
    assert server.lines("web") == ["no newline"]


def test_bytes_go_through_unharmed(server):
    """Acceptance 23: NUL, invalid UTF-8, CR LF, colours, an empty line."""
    data = b"nul \0 here\n\xff\xfe\xc3\x28\ncr lf\r\n\x1b[31mred\x1b[0m\n\ntab\tend\n"
    (server.dir / "data").write_bytes(data)
    server.add("web", f"cat {server.dir}/data; {SLEEP}")
    server.start()
    server.wait_line("web", "tab\tend")
    raw = server.cli("logs", "web", "--output", "raw", "-n", "1000", text=False)
    assert raw.stdout == data
    shown = server.cli("logs", "web", "--output", "json", "-n", "1000")
    assert len([json.loads(line) for line in shown.stdout.splitlines()]) == 6


def test_very_long_line_is_split_not_dropped(server):
    """Acceptance 23: the parts of a long line, put together, are the line."""
    size = 3_000_000
    server.add("web", f"head -c {size} /dev/zero | tr '\\0' x; echo; echo after; {SLEEP}", buffer_lines=1000,
               buffer_bytes="8M", max_line="64K")
    server.start()
    server.wait_line("web", "after", 20)
    entries = server.log("web", 1000)
    assert entries[-1]["line"] == "after"
    assert sum(len(e["line"]) for e in entries[:-1]) == size
    assert max(len(e["line"]) for e in entries) <= 65536


@pytest.mark.parametrize("rounds", [20])
def test_megabyte_without_newline_before_the_exit(server, rounds):
    """Acceptance 20: 1 MiB without a final newline, exit at once: every byte, before the exit is told."""
    program = f"i=0; while [ $i -lt 131072 ]; do printf '%07d ' $i; i=$((i + 1)); done"
    (server.dir / "mib").write_bytes(subprocess.run(["sh", "-c", program], capture_output=True, check=True).stdout)
    server.add("web", f"exec cat {server.dir}/mib", restart="never", oneshot=True, buffer_bytes="4M", max_line="64K", store=False)
    server.start()
    expected = (server.dir / "mib").read_text()
    for _ in range(rounds):
        server.wait_state("web", "exited")
        text = "".join(e["line"] for e in server.log("web", 1000))
        assert text.endswith(expected), f"{len(text)} of {len(expected)} bytes"
        server.rpc("service.start", {"name": "web"})


def test_grandchild_that_holds_stdout(server):
    """Acceptance 21: the leader exits 0, a grandchild holds the pipe: exit seen at once, restart happens, its later lines are kept."""
    go = server.dir / "go"
    server.add("web", f"(while [ ! -e {go} ]; do sleep 0.02; done; echo late words; exec sleep 1000) & echo leader; exit 0",
               restart="never")
    server.start()
    server.wait_line("web", "leader")
    wait_for(lambda: server.state("web") == "exited", 2, "the exit is seen")
    go.touch()
    server.wait_line("web", "late words")
    server.cli("stop", "web")
    for pid in server.leftovers():
        if processes.command(pid) == "sleep 1000":
            processes.kill(pid)


@pytest.mark.timing
def test_closed_streams_cost_nothing(server):
    """Acceptance 22: the service closes stdout and stderr and runs on: no CPU of ours."""
    server.add("web", "exec >&- 2>&-; exec sleep 1000")
    server.start()
    server.wait_state("web", "running")
    brain = server.brain()
    before = processes.cpu_seconds(brain) + processes.cpu_seconds(server.keeper)
    subprocess.run(["sleep", "2"], check=True)
    assert processes.cpu_seconds(brain) + processes.cpu_seconds(server.keeper) - before <= 0.03
    assert server.state("web") == "running"


def test_follow(server, follow):
    server.add("web", f"i=0; while [ ! -e {server.dir}/end ]; do i=$((i + 1)); echo $i; sleep 0.005; done; echo end; {SLEEP}")
    server.start()
    server.wait_line("web", "20")
    follower = follow(server, "web", "-n", "5")
    wait_for(lambda: len(follower.lines()) > 100)
    (server.dir / "end").touch()
    wait_for(lambda: follower.lines()[-1] == "end")
    numbers = [int(line) for line in follower.lines()[:-1]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] > 10


def test_follow_survives_a_restart_of_the_service(server, follow):
    server.add("web", f"echo run $$; {SLEEP}", restart_delay_ms=10)
    server.start()
    server.wait_line("web", "run")
    follower = follow(server, "web")
    wait_for(lambda: len(follower.lines()) >= 1)
    processes.kill(server.pid("web"))
    wait_for(lambda: len([line for line in follower.lines() if line.startswith("run")]) == 2)


def test_follow_all(server, follow):
    server.add("one", f"echo first; {SLEEP}")
    server.add("two", f"echo second; {SLEEP}")
    server.start()
    follower = follow(server)
    wait_for(lambda: b"first" in follower.data and b"second" in follower.data)


@pytest.mark.parametrize("history", [0, 10])
def test_follow_takes_in_services_that_start_later(server, history):
    """A follower of everything began before the service had its first run, and so before it had a log."""
    go = server.dir / "go"
    server.add("first", f"while [ ! -e {go} ]; do sleep 0.02; done", oneshot=True)
    server.add("late", f"echo here; {SLEEP}", requires=["first"])
    server.start()
    with server.connect() as connection:
        connection.call("logs.follow", {"lines": history})
        go.touch()
        while not (lines := connection.notification()["params"]["lines"]):
            pass
    assert line(lines[0])["line"] == "here"


def test_follower_resumes_by_cursor(server):
    """Acceptance 26: the next follower continues exactly where the last one was."""
    server.add("web", f"i=0; while :; do i=$((i + 1)); echo $i; sleep 0.002; done", buffer_lines=100000)
    server.start()
    server.wait_line("web", "10")
    seen, cursor = [], None
    for _ in range(5):
        with server.connect() as connection:
            params = {"name": "web", "lines": 0}
            if cursor is not None:
                params["cursor"] = cursor
            connection.call("logs.follow", params)
            for _ in range(20):
                message = connection.notification()
                seen += [int(line(entry)["line"]) for entry in message["params"]["lines"]]
                cursor = message["params"]["cursor"]
    assert seen == list(range(seen[0], seen[0] + len(seen)))


def test_follower_resumes_past_what_memory_holds(server):
    """Acceptance 26: what the ring has overwritten comes from the segments: one history."""
    go = server.dir / "go"
    server.add("web", f"seq 1 100; while [ ! -e {go} ]; do sleep 0.02; done; seq 101 30000; {SLEEP}", buffer_bytes="64K", on_full="block")
    server.start()
    server.wait_line("web", "100")
    answer = server.rpc("logs.query", {"name": "web"})
    cursors = answer["cursors"]
    assert [entry["content"] for entry in answer["lines"]] == [str(n) for n in range(1, 101)]
    go.touch()
    server.wait_line("web", "30000", 20)
    assert int(server.lines("web")[0]) > 101, "the ring has overwritten some"
    seen = []
    with server.connect(20) as connection:
        connection.call("logs.follow", {"name": "web", "cursor": cursors["web"]})
        while not seen or seen[-1] != 30000:
            params = connection.notification()["params"]
            assert not params.get("lost")
            seen += [int(entry["content"]) for entry in params["lines"]]
    assert seen == list(range(101, 30001))
    # breaks in the middle of what comes from disk: each line says where to go on
    cursor, seen = cursors["web"], []
    while not seen or seen[-1] != 30000:
        with server.connect(20) as connection:
            connection.call("logs.follow", {"name": "web", "cursor": cursor})
            for _ in range(7):
                lines = connection.notification()["params"]["lines"]
                if not lines:
                    break
                seen += [int(entry["content"]) for entry in lines]
                cursor = lines[-1]["cursor"]
    assert seen == list(range(101, 30001))
    query = server.rpc("logs.query", {"name": "web", "cursors": cursors, "limit": 5})
    assert [entry["content"] for entry in query["lines"]] == ["101", "102", "103", "104", "105"]


def test_runs_levels_and_forms(server):
    server.add("web", "echo '<3>bad'; echo '<6>fine'; echo run $$; exit 1", restart_delay_ms=10, max_restarts=2)
    server.start()
    wait_for(lambda: sum(line.startswith("run") for line in server.lines("web")) == 3)
    runs = [line for line in server.lines("web") if line.startswith("run")]

    def shown(*arguments):
        return server.cli("logs", "web", "--output", "raw", *arguments).stdout.splitlines()

    for number, run in ((0, 2), (-1, 1), (-2, 0), (1, 0), (3, 2)):
        assert shown("--run", number) == ["<3>bad", "<6>fine", runs[run]], number
    assert shown("--run=7") == []
    assert shown("--level", "err") == ["<3>bad"] * 3 and shown("-p", "3", "--run", "-1") == ["<3>bad"]
    assert server.cli("logs", "web", "--run", "x").returncode == 2
    fmt = server.cli("logs", "web", "-n", "1", "--output", "logfmt").stdout
    assert f'service=web stream=stdout run=3 msg="{runs[2]}"' in fmt and fmt.startswith("time=2")


def test_cursor_of_the_command_line(server):
    go = server.dir / "go"
    server.add("web", f"echo one; echo two; while [ ! -e {go} ]; do sleep 0.02; done; echo three; {SLEEP}")
    server.add("db", f"echo first; {SLEEP}")
    server.start()
    server.wait_line("web", "two")
    server.wait_line("db", "first")
    *lines, last = server.cli("logs", "web", "db", "--output", "raw", "--show-cursor").stdout.splitlines()
    assert sorted(lines) == ["first", "one", "two"] and last.startswith("-- cursor: ")
    cursor = last.removeprefix("-- cursor: ")
    assert server.cli("logs", "web", "db", "--output", "raw", "--cursor", cursor).stdout == ""
    go.touch()
    server.wait_line("web", "three")
    assert server.cli("logs", "web", "db", "--output", "raw", "--cursor", cursor).stdout == "three\n"
    assert server.cli("logs", "web", "--cursor", "nonsense").returncode == 2


def test_client_that_does_not_read_hurts_nobody(server):
    """Acceptance 24, its first part."""
    server.add("flood", f"i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); echo line $i; done; echo over; {SLEEP}", buffer_lines=500)
    server.add("web", f"echo hello; {SLEEP}")
    server.start()
    with server.connect() as deaf:
        deaf.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"logs.follow","params":{"name":"flood"}}\n')
        server.wait_line("flood", "over", 60)
        began = time.monotonic()
        assert server.state("web") == "running"
        assert time.monotonic() - began < 1 * SLOWNESS


def test_flood_is_counted(server):
    """Numbered lines under flood: what a follower gets is in order, and a gap is announced with its count."""
    total = 200000
    server.add("flood", f"sleep 0.3; exec seq 1 {total}", restart="never", buffer_lines=1000)
    server.start()
    with server.connect(30) as connection:
        connection.call("logs.follow", {"name": "flood", "lines": 0})
        expected, lost = 1, 0
        while expected <= total:
            params = connection.notification()["params"]
            lost += params.get("lost", 0)
            expected += params.get("lost", 0)
            for entry in params.get("lines", []):
                assert int(line(entry)["line"]) == expected, (expected, lost)
                expected += 1


def test_store_on_disk_is_plain_cri(server):
    server.add("web", f"echo to disk; echo oops >&2; {SLEEP}", store=True)
    server.start()
    server.wait_line("web", "oops")

    def segments():
        return "".join(p.read_text() for p in server.logs.rglob("*") if p.is_file() and "web" in str(p.relative_to(server.logs)))

    wait_for(lambda: "to disk" in segments() and "oops" in segments(), 10)
    line = next(line for line in segments().splitlines() if "to disk" in line)
    stamp, stream, tag, text = line.split(" ", 3)
    assert (stream, tag, text) == ("stdout", "F", "to disk") and stamp.endswith("Z")


def test_logs_of_unknown_service(server):
    server.start()
    result = server.cli("logs", "ghost")
    assert result.returncode != 0
    assert "ghost" in result.stderr


def test_closed_pipe_of_the_reader(server):
    """`zinit logs | head -1` ends quietly."""
    server.add("web", f"seq 1 50000; {SLEEP}", buffer_lines=50000, buffer_bytes="8M")
    server.start()
    server.wait_line("web", "50000", 20)
    result = subprocess.run(f"{binary('zinit')} -s {server.socket} logs web -n 50000 --output raw | head -n 1", shell=True,
                            capture_output=True, text=True, timeout=30)
    assert result.stdout == "1\n" and result.stderr == ""


def test_the_servers_own_log(server):
    def says(text):
        return lambda: text in server.cli("logs", "zinit").stdout

    server.add("web", "exit 3", restart="never")
    server.start()
    wait_for(says("web: running -> failed"), 10, "the failure is in the server's log")
    server.kill_brain()
    wait_for(says("took over"), 10, "the log goes on in the next server")
    assert says("web: running -> failed")()


def test_the_name_of_the_servers_log_is_taken(server):
    server.add("zinit", "true")
    server.start()
    assert "is taken" in server.cli("list").stdout


def stats(server, name):
    return next(s for s in server.rpc("logs.stats", {"names": [name]}) if s["service"] == name)


def dropped(entry, consumer):
    return next(d for d in entry["dropped"] if d["consumer"] == consumer)


def test_accounting(server):
    """bytes_read = lines and their newlines; what is read is stored, or its loss has a name."""
    server.add("web", f"seq 1 1000; printf part; {SLEEP}")
    server.start()
    wait_for(lambda: (s := stats(server, "web"))["stored_lines"] == 1000 and s["pending_bytes"] == 4, 10, "all is stored")
    entry = stats(server, "web")
    assert entry["bytes_read"] == sum(len(str(n)) + 1 for n in range(1, 1001)) + 4
    assert entry["lines_read"] == entry["lines_in_memory"] + entry["lines_overwritten"] == 1000
    assert entry["stored_bytes"] == entry["bytes_read"] - 1000 - 4
    assert entry["store_error"] is None and all(d["lines"] == 0 and d["why"] is None for d in entry["dropped"])
    assert {"web", "zinit"} <= {s["service"] for s in server.rpc("logs.stats")}
    shown = server.cli("logs", "--stats").stdout.splitlines()
    assert "DROPPED" in shown[0] and any(row.split()[:3] == ["web", "3.8K", "1000"] for row in shown), shown


def test_accounting_of_a_full_disk(server):
    """The disk's error is shown while it lasts, where people look; what it cost is counted, with the reason."""
    place = server.dir / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("can't mount here")
    try:
        server.settings.write_text(f"[log]\ndir = {json.dumps(str(place / 'log'))}\n")
        server.add("web", f"seq 1 100000; echo over; {SLEEP}", buffer_bytes="64K")
        server.start()
        server.wait_line("web", "over", 30)
        wait_for(lambda: stats(server, "web")["store_error"], 10, "the disk's error")
        assert "No space" in stats(server, "web")["store_error"]
        assert "No space" in server.status("web")["log_error"]
        assert "No space" in server.cli("status", "web").stdout and "No space" in server.cli("logs", "--stats", "web").stdout
        # room again: the store goes on, and says what is missing
        for path in (place / "log" / "web").iterdir():
            path.unlink()
        wait_for(lambda: not stats(server, "web")["store_error"], 60, "the store goes on")
        entry = stats(server, "web")
        assert dropped(entry, "store")["lines"] > 0 and "No space" in dropped(entry, "store")["why"]
        wait_for(lambda: (s := stats(server, "web"))["stored_lines"] + dropped(s, "store")["lines"] == s["lines_read"] == 100001)
        server.shutdown()
    finally:
        subprocess.run(["umount", place], check=True)


def test_shutdown_is_over_when_all_is_on_disk(server):
    """`zinit shutdown` returns when the store has flushed."""
    server.add("web", f"seq 1 100000; echo last; {SLEEP}", buffer_bytes="16M", buffer_lines=100)
    server.start()
    server.wait_line("web", "last", 30)
    assert server.cli("shutdown").returncode == 0
    text = b"".join(path.read_bytes() for path in sorted((server.logs / "web").glob("2*.log")))
    lines = [entry.split(b" ", 3)[3] for entry in text.splitlines()]
    assert lines == [str(n).encode() for n in range(1, 100001)] + [b"last"]


def test_one_lock_file(server, make_server):
    server.add("web", SLEEP)
    server.start()
    assert [p.name for p in server.logs.iterdir() if p.is_file()] == [".lock"]
    other = make_server()
    other.settings.write_text(f"[log]\ndir = {json.dumps(str(server.logs))}\n")
    code, said = other.refuses_to_start()
    assert code != 0 and "in use by another server" in said
    server.kill_brain()
    code, said = other.refuses_to_start()
    assert code != 0 and "in use by another server" in said
