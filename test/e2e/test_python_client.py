# SPDX-License-Identifier: Apache-2.0
"""clients/python against the real server: synchronous, asyncio, streams over restarts of the server, errors, types."""
import asyncio
import itertools
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest
from harness.wait import SLOWNESS

PACKAGE = pathlib.Path(__file__).parents[2] / "clients/python"
sys.path.insert(0, str(PACKAGE))
import zinit  # noqa: E402

SLEEP = "exec sleep 1000"
COUNT = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; sleep .002; done; exec sleep 1000"


@pytest.fixture
def shop(server):
    server.add("db", f"echo ready; {SLEEP}")
    server.add("web", f"echo hello; {SLEEP}", requires=["db"], tags=["front"])
    server.add("bad", "echo oops >&2; exit 3", restart="never", status="stop")
    server.start()
    server.wait_state("web", "running")
    server.wait_line("web", "hello")
    return server


def client(server, **options):
    return zinit.Client(str(server.socket), timeout=10 * SLOWNESS, **options)


# --- synchronous ------------------------------------------------------------------------------------------------------------


def test_looking(shop):
    with client(shop) as c:
        assert c.ping() == shop.rpc("system.ping")["version"]
        assert c.info()["services"]["running"] == 2
        assert c.names() == ["bad", "db", "web"]
        assert [row["name"] for row in c.list("@front")] == ["web"]
        assert c.list(["db"], usage=True)[0]["memory_bytes"] > 0
        assert c.status("web")["pid"] == shop.pid("web")
        assert c.status_full("web")["dependencies"][0]["name"] == "db"
        assert c.stats("web")["pid"] == shop.pid("web")
        assert c.is_running("web") and not c.is_running("bad")
        assert "ascii" in c.why("web") and "web" in c.tree()
        assert c.get("web")["dependencies"]["requires"] == ["db"]
        assert [line["content"] for line in c.logs("web")] == ["hello"]
        assert c.logs(contains="nothing like that") == []


def test_changing(shop):
    with client(shop) as c:
        assert c.stop("web")["state"] in ("exited", "inactive")
        assert c.start("web")["reached"] is True
        before = shop.pid("web")
        c.restart("web", timeout=10)
        assert shop.pid("web") != before
        assert c.stop("web", wait=False)["ok"] is True
        assert c.wait("web", ["exited", "inactive"], timeout=10)["reached"]
        c.kill("db", "CONT")
        assert c.add({"service": {"name": "one", "exec": SLEEP}}) == {"name": "one", "path": None, "warnings": []}
        assert c.set({"service": {"name": "two", "exec": SLEEP}})["path"].endswith("two.toml")
        c.delete("one")
        c.delete("two")
        assert c.names() == ["bad", "db", "web"]
        shop.add("three", SLEEP)
        assert c.reload()["added"] == 1


def test_errors(shop, tmp_path):
    with pytest.raises(zinit.NoServer, match="nothing.sock"):
        zinit.Client(str(tmp_path / "nothing.sock"), connect_timeout=0)
    with client(shop) as c:
        with pytest.raises(zinit.ServiceNotFound) as missing:
            c.status("wbe")
        assert missing.value.code == -32000 and missing.value.service == "wbe" and "web" in missing.value.hint
        with pytest.raises(zinit.InvalidParams):
            c.call("service.status", {"name": 5})
        with pytest.raises(zinit.ValidationFailed) as invalid:
            c.set({"service": {"name": "x", "exec": ""}, "lifecycle": {"stop_timeout_ms": 0}})
        assert len(invalid.value.errors) == 2
        with pytest.raises(zinit.RpcError, match="no.such"):
            c.call("no.such")
        with pytest.raises(zinit.NotReached) as failed:
            c.start("bad", timeout=5)
        assert failed.value.answer["logs"][0]["content"] == "oops"
        with pytest.raises(zinit.Timeout):
            c.call("service.wait", {"name": "web", "state": "failed"}, timeout=0.05)
        assert c.ping()  # by a new connection


def test_a_call_after_the_server_was_replaced(shop):
    with client(shop, connect_timeout=10) as c:
        assert c.ping()
        shop.kill_brain()
        with pytest.raises(zinit.ConnectionLost):
            c.ping()
        assert c.ping()


def numbers(lines):
    return [int(line["content"].split()[1]) for line in lines]


def test_lines_go_on_over_crashes_of_the_server(server):
    server.add("count", COUNT)
    server.start()
    killer = threading.Thread(target=lambda: [server.kill_brain() for _ in range(2)])
    with client(server) as c:
        stream = c.follow("count", since="-1h")
        first = list(itertools.islice(stream, 20))
        killer.start()
        rest = list(itertools.islice(stream, 380))
    killer.join()
    got = [n for n in numbers(first + rest)]
    assert sorted(set(got)) == list(range(1, max(got) + 1)), "lost"
    stream.close()
    # another one goes on after any line
    again = client(server).follow("count", cursors={"count": first[5]["cursor"]}) if "cursor" in first[5] else None
    if again:
        assert numbers(itertools.islice(again, 3)) == [7, 8, 9]


def test_lines_that_come_are_neither_lost_nor_doubled(server):
    server.add("count", "echo line 0; while [ ! -e go ]; do sleep .01; done; " + COUNT, dir=str(server.dir))
    server.start()
    server.wait_line("count", "line 0")
    with client(server) as c:
        stream = c.follow("count", lines=1)
        seen = [next(stream)]
        (server.dir / "go").touch()
        seen.append(next(stream))
        taker = threading.Thread(target=lambda: seen.extend(itertools.islice(stream, 399)))
        taker.start()
        for _ in range(3):
            server.kill_brain()
        taker.join(60 * SLOWNESS)
    assert numbers(seen) == list(range(0, 401))


def test_events_go_on_over_a_crash(shop):
    with client(shop) as c:
        stream = c.events("db", cursor=0)
        kinds = [next(stream)]
        shop.kill_brain()
        shop.rpc("service.restart", ["db"])
        while not (kinds[-1].get("service") == "db" and kinds[-1].get("to") == "running" and len(kinds) > 3):
            kinds.append(next(stream))
    cursors = [event["cursor"] for event in kinds if "cursor" in event]
    assert cursors == sorted(set(cursors))


def test_default_socket(monkeypatch, tmp_path):
    monkeypatch.setenv("ZINIT_SOCKET", "/x/y")
    assert zinit.default_socket() == "/x/y"
    monkeypatch.delenv("ZINIT_SOCKET")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "zinit.sock").touch()
    assert zinit.default_socket() == str(tmp_path / "zinit.sock")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert zinit.default_socket() == "/run/zinit.sock"


# --- asyncio ----------------------------------------------------------------------------------------------------------------


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60 * SLOWNESS))


def test_async_calls_at_the_same_time(shop):
    async def go():
        async with zinit.AsyncClient(str(shop.socket)) as c:
            answers = await asyncio.gather(*(c.status(name) for name in await c.names() * 50))
            waiting = asyncio.ensure_future(c.wait("web", "exited", timeout=20))
            assert await c.ping()
            assert not waiting.done()
            await c.stop("web")
            assert (await waiting)["state"] == "exited"
            await c.start("web")
            await c.set({"service": {"name": "one", "exec": SLEEP}})
            await c.delete("one")
            return answers

    answers = run(go())
    assert len(answers) == 150 and {a["name"] for a in answers} == {"bad", "db", "web"}


def test_async_errors(shop, tmp_path):
    async def go():
        with pytest.raises(zinit.NoServer):
            await zinit.AsyncClient(str(tmp_path / "nothing"), connect_timeout=0).ping()
        async with zinit.AsyncClient(str(shop.socket), connect_timeout=10) as c:
            with pytest.raises(zinit.ServiceNotFound):
                await c.stop("wbe")
            with pytest.raises(zinit.Timeout):
                await c.call("service.wait", {"name": "web", "state": "failed"}, timeout=0.05)
            assert await c.ping()
            with pytest.raises(zinit.NotReached):
                await c.start("bad", timeout=5)
            lost = asyncio.ensure_future(c.wait("web", "failed"))
            await c.ping()
            await asyncio.get_running_loop().run_in_executor(None, shop.kill_brain)
            with pytest.raises(zinit.ConnectionLost):
                await lost
            assert await c.ping()

    run(go())


def test_async_streams_go_on_over_crashes(server):
    server.add("count", "echo line 0; while [ ! -e go ]; do sleep .01; done; " + COUNT, dir=str(server.dir))
    server.start()
    server.wait_line("count", "line 0")

    async def go():
        seen, events = [], []
        async with zinit.AsyncClient(str(server.socket)) as c:
            live = asyncio.Event()

            async def lines():
                async for line in c.follow("count", lines=1):
                    seen.append(line)
                    (server.dir / "go").touch()
                    if len(seen) > 1:
                        live.set()
                    if len(seen) == 401:
                        return

            async def changes():
                async for event in c.events("count", cursor=0):
                    events.append(event)
                    if event.get("to") in ("exited", "inactive"):
                        return

            tasks = [asyncio.ensure_future(lines()), asyncio.ensure_future(changes())]
            await live.wait()
            for _ in range(2):
                await asyncio.get_running_loop().run_in_executor(None, server.kill_brain)
            await tasks[0]
            await asyncio.get_running_loop().run_in_executor(None, lambda: server.rpc("service.stop", ["count"]))
            await tasks[1]
        return seen, events

    seen, events = run(go())
    assert numbers(seen) == list(range(0, 401))
    cursors = [event["cursor"] for event in events if "cursor" in event]
    assert cursors == sorted(set(cursors))


# --- the package ------------------------------------------------------------------------------------------------------------


def test_both_clients_have_the_same_methods():
    def methods(kind):
        return {name for name in vars(kind) if not name.startswith("_")}
    assert methods(zinit.Client) == methods(zinit.AsyncClient)


@pytest.mark.skipif(not shutil.which("mypy"), reason="mypy is not at hand")
def test_types(tmp_path):
    result = subprocess.run(["mypy", "--strict", "--cache-dir", str(tmp_path), "zinit"], cwd=PACKAGE, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout
