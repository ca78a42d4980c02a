# SPDX-License-Identifier: Apache-2.0
"""Changes of service files: planned, applied exactly so, and undone where a new definition does not come up."""

import json
import os

import pytest
from harness import syscalls
from harness.rpc import RpcError
from harness.wait import SLOWNESS, stays, wait_for

SLEEP = "exec sleep 1000"


def steps(plan):
    return [f"{step['action']} {step['name']}" for step in plan["steps"]]


def changes(plan):
    return {change["name"]: change["action"] for change in plan["changes"]}


def transitions(server, since):
    """(name, to) of all events after cursor `since`."""
    with server.connect() as rpc:
        found = []
        rpc.call("events.subscribe", {"cursor": since})
        last = server.rpc("system.info")["event_cursor"]
        cursor = since
        while cursor < last:
            params = rpc.notification(5)["params"]
            found += [(e["service"], e["to"]) for e in params["events"] if e["kind"] == "state"]
            cursor = params["cursor"]
        return found


@pytest.fixture
def shop(server):
    server.add("db", SLEEP)
    server.add("web", SLEEP, requires=["db"])
    server.add("top", SLEEP, requires=["web"])
    server.add("apart", SLEEP, max_restarts=3)
    server.add("gone", SLEEP)
    server.start()
    for name in ("db", "web", "top", "apart", "gone"):
        server.wait_state(name, "running")
    return server


def change_all(shop):
    shop.add("web", "exec sleep 1001", requires=["db", "new"])
    shop.add("apart", SLEEP, max_restarts=4)
    shop.add("new", SLEEP)
    (shop.services / "gone.toml").unlink()


def test_a_plan_tells_the_steps_and_does_nothing(shop):
    before = {name: shop.pid(name) for name in shop.all()}
    change_all(shop)
    plan = shop.rpc("config.plan")
    assert changes(plan) == {"apart": "live", "new": "add", "web": "restart", "gone": "remove"}
    assert steps(plan) == ["updates apart", "adds new", "starts new", "stops top", "stops gone", "stops web", "updates web",
                           "starts web", "starts top", "removes gone"]
    web = next(change for change in plan["changes"] if change["name"] == "web")
    assert [(key["key"], key["apply"], key["line"]) for key in web["keys"]] == [
        ("service.exec", "restart", 3), ("dependencies.requires", "live", 5)]
    reasons = {f"{step['action']} {step['name']}": step["reason"] for step in plan["steps"]}
    assert reasons["stops web"] == "the configuration changed"
    assert reasons["stops top"] == "it requires 'web', which was asked to stop or restart"
    assert {name: shop.pid(name) for name in shop.all()} == before
    assert shop.rpc("config.plan")["digest"] == plan["digest"]


def test_apply_does_what_was_planned(shop):
    change_all(shop)
    plan = shop.rpc("config.plan")
    before = {name: shop.pid(name) for name in shop.all()}
    since = shop.rpc("system.info")["event_cursor"]
    shop.rpc("config.apply", {"digest": plan["digest"]})
    wait_for(lambda: "gone" not in shop.all())
    for name in ("db", "web", "top", "apart", "new"):
        shop.wait_state(name, "running")
    wait_for(lambda: shop.rpc("service.wait", {"name": "web"})["ok"])
    assert shop.pid("db") == before["db"] and shop.pid("apart") == before["apart"]
    done = [f"{'starts' if to == 'starting' else 'stops'} {name}" for name, to in transitions(shop, since)
            if to in ("starting", "stopping")]
    planned = [step for step in steps(plan) if step.split()[0] in ("starts", "stops")]
    assert done.index("stops top") < done.index("stops web") < done.index("starts web") < done.index("starts top")
    assert sorted(done) == sorted(planned)
    assert shop.rpc("config.plan")["changes"] == []
    assert shop.rpc("service.get", {"name": "apart"})["lifecycle"]["max_restarts"] == 4


def test_a_plan_that_does_not_hold_any_more_is_refused(shop):
    shop.add("web", "exec sleep 1001", requires=["db"])
    plan = shop.rpc("config.plan")
    before = shop.pid("web")
    shop.add("web", "exec sleep 1002", requires=["db"])
    with pytest.raises(RpcError) as refused:
        shop.rpc("config.apply", {"digest": plan["digest"]})
    assert refused.value.code == -32011 and "does not hold" in str(refused.value)
    assert shop.pid("web") == before
    # and when the services changed, not the files
    plan = shop.rpc("config.plan")
    shop.rpc("service.set", {"service": {"name": "web", "exec": "exec sleep 1003"}, "persist": False})
    with pytest.raises(RpcError):
        shop.rpc("config.apply", {"digest": plan["digest"]})


BAD = {
    "exits": (dict(exec="exit 3"), "exited with code 3"),
    "spawn": (dict(exec=["/nonexistent"]), "spawn error"),
    "shell": (dict(exec="exec /nonexistent && true"), "not found"),
    "not-ready": (dict(exec="exec sleep 1001", start_timeout_ms=200, health={"type": "exec", "target": "false", "interval_ms": 50, "retries": 100}),
                  "start timeout"),
    "unhealthy": (dict(exec="exec sleep 1001", health={"type": "exec", "target": "false", "interval_ms": 20, "retries": 2}), "health check failed"),
    "missing": (dict(exec="exec sleep 1001", requires=["nobody"]), "missing dependency 'nobody'"),
    "blocked": (dict(exec="exec sleep 1001", requires=["down"]), "waits for 'down'"),
    "ends": (dict(exec="exit 0"), "exited with code 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_new_definition_that_does_not_come_up_is_undone(server, case):
    keys, reason = BAD[case]
    server.add("web", SLEEP)
    server.add("down", SLEEP, status="stop")
    server.add("other", SLEEP)
    server.add("dependent", SLEEP, requires=["web"])
    server.start()
    for name in ("web", "other", "dependent"):
        server.wait_state(name, "running")
    other = server.pid("other")
    old = server.pid("web")
    since = server.rpc("system.info")["event_cursor"]
    server.add("web", **keys)
    server.rpc("config.apply")
    answer = server.rpc("service.wait", {"name": "web", "state": "up"}, timeout=20)
    assert answer["ok"] and answer["state"] == "running"
    assert reason in answer["undone"], answer
    assert server.pid("web") not in (0, old)
    assert server.rpc("service.get", {"name": "web"})["service"]["exec"] == SLEEP
    server.wait_state("dependent", "running")
    assert server.pid("other") == other
    # told everywhere: why, status, events, the diagnostics; and a plan shows that the file still differs
    assert reason in server.why("web") and "old one is back" in server.why("web")
    assert server.rpc("service.status", {"name": "web"})["undone"] == answer["undone"]
    server.says("web", "old one is back")
    with server.connect() as rpc:
        rpc.call("events.subscribe", {"cursor": since})
        wait_for(lambda: any(e["kind"] == "undone" and reason in e["cause"]
                             for e in rpc.notification(5)["params"]["events"]))
    plan = server.rpc("config.plan")
    assert [(change["name"], change["undone"]) for change in plan["changes"]] == [("web", answer["undone"])]
    # a good one then counts, and the note goes
    server.add("web", "exec sleep 1002")
    server.rpc("config.apply")
    answer = server.rpc("service.wait", {"name": "web", "state": "up"}, timeout=20)
    assert answer["ok"] and answer["undone"] is None
    assert server.rpc("service.get", {"name": "web"})["service"]["exec"] == "exec sleep 1002"


def test_only_the_bad_one_is_undone(server):
    for name in ("a", "b"):
        server.add(name, SLEEP)
    server.start()
    for name in ("a", "b"):
        server.wait_state(name, "running")
        server.add(name, "exec sleep 1001" if name == "a" else "exit 1")
    server.rpc("service.reload")
    answers = {name: server.rpc("service.wait", {"name": name, "state": "up"}, timeout=20) for name in ("a", "b")}
    assert answers["a"]["undone"] is None and "code 1" in answers["b"]["undone"]
    assert server.rpc("service.get", {"name": "a"})["service"]["exec"] == "exec sleep 1001"
    assert server.rpc("service.get", {"name": "b"})["service"]["exec"] == SLEEP


def test_a_service_that_could_not_run_is_started_by_a_new_definition(server):
    server.add("web", "exit 1", restart="never")
    server.start()
    server.wait_state("web", "failed")
    server.add("web", SLEEP, restart="never")
    plan = server.rpc("config.plan")
    assert changes(plan) == {"web": "start"} and steps(plan) == ["updates web", "starts web"]
    server.rpc("config.apply", {"digest": plan["digest"]})
    server.wait_state("web", "running")


def test_a_stop_ends_a_trial(server):
    server.add("web", SLEEP)
    server.start()
    server.wait_state("web", "running")
    server.add("web", "exec sleep 1001", start_timeout_ms=60000, health={"type": "exec", "target": "false", "interval_ms": 50, "retries": 1000})
    server.rpc("config.apply")
    wait_for(lambda: server.rpc("service.status", {"name": "web"})["on_trial"])
    server.rpc("service.stop", {"name": "web", "wait": True})
    stays(lambda: server.state("web") != "running" and not server.pid("web"), 0.3)
    assert server.rpc("service.status", {"name": "web"})["undone"] is None


@pytest.mark.parametrize("moment", ["stopping", "starting"])
def test_the_server_dies_during_an_apply(server, moment):
    """The next one finishes it, or undoes it: never half."""
    server.add("web", "trap 'sleep 0.5; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    server.start()
    server.wait_line("web", "up")
    server.add("web", SLEEP, start_timeout_ms=1500, health={"type": "exec", "target": "false", "interval_ms": 50, "retries": 1000})
    server.rpc("config.apply")
    wait_for(lambda: server.state("web") == moment)
    server.kill_brain()
    answer = server.rpc("service.wait", {"name": "web", "state": "up"}, timeout=20)
    assert answer["ok"] and "start timeout" in answer["undone"]
    assert "trap" in server.rpc("service.get", {"name": "web"})["service"]["exec"]
    server.kill_brain()
    assert "start timeout" in server.rpc("service.status", {"name": "web"})["undone"]
    assert server.state("web") == "running"


def test_plan_and_apply_on_the_command_line(shop):
    change_all(shop)
    told = shop.cli("plan")
    assert told.returncode == 0
    for line in ("restart        web", "change live    apart", "add            new", "remove         gone",
                 f"{shop.services}/web.toml:3", "4. stops   top"):
        assert line in told.stdout, told.stdout
    digest = told.stdout.split()[-1]
    assert shop.cli("apply", "0123").returncode == 1
    before = shop.pid("db")
    done = shop.cli("apply", digest)
    assert done.returncode == 0, done.stderr
    for line in ("web: running, pid", "top: running, pid", "new: running, pid"):
        assert line in done.stdout
    assert shop.pid("db") == before and "gone" not in shop.all()
    assert "nothing to change" in shop.cli("plan").stdout and "nothing to change" in shop.cli("apply").stdout


def test_what_was_taken_back_is_told_on_the_command_line(shop):
    shop.add("web", "exit 7", requires=["db"])
    done = shop.cli("apply")
    assert done.returncode == 1
    assert "web: its new definition did not come up, the old one is back: exited with code 7" in done.stderr
    assert "top: running, pid" in done.stdout
    assert "tried before, and taken back: exited with code 7" in shop.cli("plan").stdout
    why = shop.cli("why", "web").stdout
    assert "taken back: exited with code 7" in why


def test_a_bad_file_does_not_stop_the_others(shop):
    shop.add("apart", SLEEP, max_restarts=5)
    shop.write("bad.toml", "[service]\nexec = 1\n")
    told = shop.cli("plan")
    assert told.returncode == 1 and "bad.toml:2:8" in told.stderr and "apart" in told.stdout
    assert shop.cli("apply").returncode == 1
    assert shop.rpc("service.get", {"name": "apart"})["lifecycle"]["max_restarts"] == 5


@pytest.mark.parametrize("event, expected", [
    ("stop:db", ["stops top", "stops web", "stops db"]),
    ("restart:web", ["stops top", "stops web", "starts web", "starts top"]),
    ("kill:web", ["ends web", "starts web"]),
    ("reload:web", []),
    ("start:db", []),
    ("remove:top", ["stops top", "removes top"]),
])
def test_what_would_happen_is_what_happens(shop, event, expected):
    """On a graph of real processes."""
    word, name = event.split(":")
    told = shop.cli("why", "--if", event, "--json")
    assert told.returncode == 0
    planned = [f"{step['action']} {step['name']}" for step in json.loads(told.stdout)["steps"]]
    assert planned == expected
    since = shop.rpc("system.info")["event_cursor"]
    if word == "kill":
        shop.rpc("service.kill", {"name": name, "signal": "KILL"})
        wait_for(lambda: shop.rpc("service.status", {"name": name})["restart_count"] == 1 and shop.state(name) == "running")
    elif word == "reload":
        shop.rpc("service.kill", {"name": name, "signal": "CONT"})
    else:
        shop.cli(word, name)
    wait_for(lambda: word != "remove" or name not in shop.all())
    for other in shop.all():
        assert shop.cli("wait", "--state", "settled", other).returncode == 0
    names = {"starting": "starts", "stopping": "stops"}
    done = [f"{names[to]} {who}" for who, to in transitions(shop, since) if to in names]
    assert done == [step for step in planned if step.split()[0] in ("starts", "stops")]


def test_what_if_of_nonsense(shop):
    assert shop.cli("why", "--if", "explode:web").returncode != 0
    assert shop.cli("why", "--if", "stop:nobody").returncode != 0
    assert shop.cli("why").returncode == 2
    assert "shuts down" in shop.cli("why", "--if", "shutdown").stdout


POINTS = int(os.environ.get("ZINIT_KILL_POINTS", 12))


@pytest.mark.timeout(90 + 20 * SLOWNESS * (POINTS or 100))
def test_the_server_is_killed_at_system_calls_of_an_apply(server):
    """POINTS of all stops between the request and its answer (0: all): the changes are all made, or none is."""
    scenario = syscalls.Changes(server)
    scenario.start()
    points = scenario.points()
    step = max(1, len(points) // POINTS) if POINTS else 1
    killed = scenario.run(points[::step])
    print(f"{killed} servers killed at {len(points[::step])} of {len(points)} points")
    assert killed > len(points[::step]) / 2
