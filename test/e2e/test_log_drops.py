# SPDX-License-Identifier: Apache-2.0
"""Lines that are lost are an event: of which service, how many, why; and not one event a line."""
import re

from harness.wait import stays, wait_for
from test_schedule import events


def told(server, name):
    """(when, lines, text) of each log_drop event of the service."""
    return [(e["timestamp_ms"], sum(int(n) for n in re.findall(r"(\d+) lines? lost", e["cause"])), e["cause"])
            for e in events(server, "log_drop") if e["service"] == name]


def total(server, name):
    return sum(lines for _, lines, _ in told(server, name))


def stats(server, name):
    return server.rpc("logs.stats", {"names": name})[0]


def dropped(server, name, consumer):
    return next(d["lines"] for d in stats(server, name)["dropped"] if d["consumer"] == consumer)


def test_over_the_rate_limit(server):
    server.write("noisy.toml", '[service]\nexec = "seq 1000; exec sleep 1000"\n[logging]\nrate_limit = 10\n')
    server.add("quiet", "echo one; exec sleep 1000")
    server.start()
    server.wait_line("quiet", "one")
    # 10 pass, and a few more if reading them takes longer than a second's share
    wait_for(lambda: total(server, "noisy") > 900)
    assert all("over the rate limit" in text for _, _, text in told(server, "noisy"))
    assert len(told(server, "noisy")) <= 2 and not told(server, "quiet")
    wait_for(lambda: total(server, "noisy") == dropped(server, "noisy", "rate_limit"))
    assert re.search(r"noisy +log_drop: \d+ lines lost: over the rate limit", server.cli("events").stdout)


def test_a_flood_is_told_at_most_once_a_second(server):
    server.write("flood.toml", '[service]\nexec = "while :; do seq 50; sleep 0.02; done"\n[logging]\nrate_limit = 1\n')
    server.start()
    wait_for(lambda: len(told(server, "flood")) >= 3, 20)
    times = [when for when, _, _ in told(server, "flood")]
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert gaps[0] >= 900 and gaps[1] >= 1800, gaps


def test_a_store_that_cannot_write(server):
    server.write("big.toml", '[service]\nexec = "seq 20000; exec sleep 1000"\n'
                 "[logging]\nstore = true\nbuffer_lines = 100\nbuffer_bytes = 4096\nmax_line = 80\n")
    server.logs.mkdir(exist_ok=True)
    in_the_way = server.logs / "big"
    in_the_way.touch()
    server.start()
    _, lines, text = wait_for(lambda: told(server, "big"), 20)[0]
    assert lines > 100 and re.search(r"lost: (File exists|Not a directory)", text), text
    in_the_way.unlink()
    # what the events say, together, is what the store finds to be missing
    wait_for(lambda: stats(server, "big")["store_behind"] == 0, 20)
    missing = dropped(server, "big", "store")
    wait_for(lambda: total(server, "big") == missing)
    # the next server tells nothing twice
    server.kill_brain()
    stays(lambda: total(server, "big") == missing, 0.3)
