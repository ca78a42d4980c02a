# SPDX-License-Identifier: Apache-2.0
"""Every method of the API: its answer against its own schema, who may call it, and what zinit 0.3.9 answers."""
import json
import os
import pathlib

import jsonschema
import pytest
from harness.rpc import Rpc, RpcError
from harness.wait import wait_for

SLEEP = "exec sleep 1000"
NOBODY = 65534
TRANSCRIPT = pathlib.Path(__file__).parents[1] / "fixtures/reference/transcript.json"

# One good call of each method that can be called without harm, in this order. None: no parameters.
CALLS = [
    ("rpc.discover", None), ("system.ping", None), ("system.info", None),
    ("service.list", None), ("service.list_full", {"usage": True, "invalid": True}), ("service.table", None),
    ("service.status", ["web"]), ("service.status_full", ["web"]), ("service.status", ["broken"]), ("service.status_full", ["broken"]),
    ("service.stats", ["web"]), ("service.children", ["web"]), ("service.is_running", ["web"]),
    ("service.why", ["web"]), ("service.why", ["broken"]), ("service.tree", None), ("service.tree", ["web"]), ("service.get", ["web"]),
    ("service.stop", {"name": "web", "wait": True}), ("service.start", {"name": "web", "wait": True}),
    ("service.start", {"name": "broken", "wait": True}), ("service.restart", {"name": "web", "wait": True}),
    ("service.restart", {"name": "db"}), ("service.wait", {"name": "web", "state": "running", "timeout_ms": 5000}),
    ("service.kill", {"name": "web", "signal": "CONT"}),
    ("service.set", {"service": {"name": "new1", "exec": SLEEP}}), ("service.add", {"config": {"service": {"name": "new2", "exec": SLEEP}}}),
    ("service.create", {"service": {"name": "new3", "exec": SLEEP}}), ("service.register", {"service": {"name": "new4", "exec": SLEEP}}),
    ("service.monitor", {"service": {"name": "new5", "exec": SLEEP}}), ("service.update", {"service": {"name": "new5", "exec": SLEEP}}),
    ("service.delete", ["new1"]), ("service.remove", ["new2"]), ("service.reload", None),
    ("service.stop_all", {"names": "new*"}), ("service.start_all", {"names": "web"}),
    ("logs.get", ["web"]), ("logs.tail", ["web"]), ("logs.filter", {"service": "web"}), ("logs.query", {"names": "*"}),
    ("logs.follow", {"name": "web", "lines": 1}), ("events.subscribe", {"cursor": 0}), ("subscription.end", [1]),
    ("debug.state", None), ("debug.process_tree", ["web"]),
    ("service_list", None), ("service_status", ["web"]), ("service_stop", ["web"]), ("service_start", ["web"]),
    ("service_kill", ["db", "SIGCONT"]), ("service_get", ["web"]), ("stream_currentLogs", ["web"]),
    ("service.delete_all", {"names": "new*"}),
]
# Called by tests of their own, or only refused here.
ELSEWHERE = {"system.shutdown", "system_shutdown", "system.prepare_restart", "system.reboot"}


@pytest.fixture
def shop(server):
    server.add("db", f"echo ready; {SLEEP}")
    server.add("web", f"echo hello; {SLEEP}", requires=["db"])
    server.add("broken", "echo oops >&2; exit 3", restart="never", status="stop")
    server.write("bad.toml", "[service]\nexce = 1\n")
    server.start()
    server.wait_state("web", "running")
    return server


def validator(document, method):
    schema = dict(next(m for m in document["methods"] if m["name"] == method)["result"]["schema"])
    return jsonschema.Draft7Validator({**schema, "components": document["components"]})


def test_every_answer_fits_its_own_schema(shop):
    document = shop.rpc("rpc.discover")
    with shop.connect() as connection:
        for method, params in CALLS:
            errors = list(validator(document, method).iter_errors(connection.call(method, params)))
            assert not errors, (method, errors)
    assert {m["name"] for m in document["methods"]} == {method for method, _ in CALLS} | ELSEWHERE


def test_parameters_are_described_as_they_are_checked(shop):
    for method in shop.rpc("rpc.discover")["methods"]:
        if method["name"] in ELSEWHERE:
            continue
        with pytest.raises(RpcError) as caught:
            shop.rpc(method["name"], {"no_such_parameter": 1})
        assert caught.value.code == -32602 and "no_such_parameter" in caught.value.message
        required = [p["name"] for p in method["params"] if p["required"]]
        if required:
            with pytest.raises(RpcError) as caught:
                shop.rpc(method["name"])
            assert caught.value.code == -32602 and f"'{required[0]}'" in caught.value.message


def test_what_get_gives_set_takes(shop):
    shop.add("group", target=True, requires=["web"])
    shop.rpc("service.reload")
    for name in ("web", "group"):
        config = shop.rpc("service.get", [name])
        assert shop.rpc("service.set", {"config": config})["warnings"] == []
        assert shop.rpc("service.get", [name]) == config


def test_prepare_restart(shop):
    pid = shop.pid("web")
    brain = shop.rpc("system.info")["pid"]
    assert shop.rpc("system.prepare_restart")["ready"] is True

    def is_new():
        try:
            return shop.rpc("system.info")["pid"] != brain
        except (OSError, EOFError):
            return False

    wait_for(is_new, 10, "another server answers")
    assert shop.pid("web") == pid


# --- who may do what --------------------------------------------------------------------------------


def as_nobody(server, calls):
    """Make the calls as user nobody, in a process of its own; for each its error code, or its result."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = []
            for method, params in calls:
                with Rpc(server.socket) as connection:
                    try:
                        said.append({"result": connection.call(method, params)})
                    except RpcError as error:
                        said.append({"code": error.code})
            os.write(write_end, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def allow(server, *rules):
    lines = [f"{{ uid = {NOBODY}, {rule} }}" for rule in rules]
    server.settings.write_text(f'[server]\nsocket_mode = "0666"\nallow = [{", ".join(lines)}]\n'
                               f"[log]\ndir = {json.dumps(str(server.logs))}\n")


def add_shop(server):
    server.add("db", f"echo ready; {SLEEP}")
    server.add("web", f"echo hello; {SLEEP}")
    server.start()
    server.wait_state("web", "running")
    server.wait_state("db", "running")


def test_a_stranger_may_do_nothing(server):
    allow(server)
    add_shop(server)
    before = {name: status["pid"] for name, status in server.all().items()}
    methods = [m for m in server.rpc("rpc.discover")["methods"]]
    calls = []
    for method in methods:
        params = {"name": "web"} if any(p["name"] == "name" for p in method["params"]) else {}
        if method["name"] == "logs.filter":
            params = {"service": "web"}
        if method["name"] == "subscription.end":
            params = {"subscription": 1}
        calls.append((method["name"], params))
    for (method, _), said in zip(calls, as_nobody(server, calls)):
        assert said.get("code") == -32020, (method, said)
    assert {name: status["pid"] for name, status in server.all().items()} == before
    assert server.rpc("system.ping")


def test_rules_are_kept(server):
    allow(server, 'verbs = ["read"], services = ["web"]', 'verbs = ["control"], services = ["db"]')
    add_shop(server)
    db, web = server.pid("db"), server.pid("web")
    said = as_nobody(server, [
        ("system.ping", None), ("service.list", None), ("service.status", ["web"]), ("service.stop", ["web"]),
        ("service.restart", {"name": "db", "wait": True}), ("service.delete", ["db"]), ("service.set", {"service": {"name": "x", "exec": "true"}}),
        ("system.shutdown", None), ("service.stop_all", None), ("logs.tail", ["web"]), ("service.status", ["ghost"]),
    ])
    denied = {"code": -32020}
    assert said[0]["result"]
    assert said[1]["result"] == ["db", "web"]
    assert said[2]["result"]["state"] == "running"
    assert said[3] == denied
    assert said[4]["result"]["reached"] is True
    assert said[5:9] == [denied] * 4
    assert said[9]["result"][0]["content"] == "hello"
    assert said[10] == denied  # not even whether there is one
    assert server.pid("web") == web
    assert server.pid("db") != db


# --- against what zinit 0.3.9 answered ------------------------------------------------------------------


def kind(value):
    """The shape of a value: its kinds, not its contents."""
    if isinstance(value, dict):
        return {key: kind(item) for key, item in value.items()}
    if isinstance(value, list):
        return [kind(item) for item in value[:1]]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def covers(ours, theirs):
    """Does our shape have every member of theirs, of the same kind? null may stand for what is not known."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(key in ours and covers(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and (not theirs or not ours or covers(ours[0], theirs[0]))
    return ours == theirs or "NoneType" in (ours, theirs)


@pytest.mark.skipif(not TRANSCRIPT.exists(), reason="no transcript of the reference in this tree")
def test_answers_have_the_members_of_the_reference(shop):
    """For methods whose answer does not depend on the set of services."""
    recorded = json.loads(TRANSCRIPT.read_text())
    asked = [("system.ping", None), ("service.list", None), ("service.list_full", None), ("service.tree", None),
             ("service.status", {"name": "web"}), ("service.status_full", {"name": "web"}), ("service.why", {"name": "web"}),
             ("service.stats", {"name": "web"}), ("service.children", {"name": "web"}), ("service.is_running", {"name": "web"}),
             ("service.get", {"name": "web"}), ("service.start", {"name": "web"}), ("debug.state", None)]
    for method, params in asked:
        theirs = next(e["response"]["result"] for e in recorded
                      if e["request"].get("method") == method and "result" in (e.get("response") or {}))
        ours = shop.rpc(method, params)
        if method in ("service.status", "service.list_full", "service.status_full"):
            # members that depend on the state are compared in the unit tests
            drop = {"error", "exit_code"}
            theirs = json.loads(json.dumps(theirs), object_hook=lambda o: {k: v for k, v in o.items() if k not in drop | {"reason", "waiting_on"}})
        assert covers(kind(ours), kind(theirs)), (method, ours, theirs)
