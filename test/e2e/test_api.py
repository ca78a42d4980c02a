# SPDX-License-Identifier: Apache-2.0
"""Every method of the API: its answer against its own schema, who may call it, and what zinit 0.3.9 answers."""
import json
import os

import jsonschema
import pytest
from harness.rpc import Rpc, RpcError
from harness.wait import wait_for

SLEEP = "exec sleep 1000"
NOBODY = 65534

# One good call of each method that can be called without harm, in this order. None: no parameters.
CALLS = [
    ("rpc.discover", None), ("system.ping", None), ("system.info", None), ("system.metrics", {"names": "web", "usage": True}), ("system.metrics", {"format": "openmetrics"}),
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
    ("service.delete", ["new1"]), ("service.remove", ["new2"]), ("service.reload", None), ("config.plan", None), ("config.apply", {}),
    ("service.preview", {"event": "stop", "name": "db"}),
    ("service.stop_all", {"names": "new*"}), ("service.start_all", {"names": "web"}),
    ("logs.get", ["web"]), ("logs.tail", ["web"]), ("logs.filter", {"service": "web"}), ("logs.query", {"names": "*"}), ("logs.stats", None),
    ("logs.follow", {"name": "web", "lines": 1}), ("events.subscribe", {"cursor": 0}), ("subscription.end", [1]),
    ("service.start", {"name": "broken", "wait": True}), ("incident.list", None), ("incident.show", ["broken"]),
    ("debug.state", None), ("debug.process_tree", ["web"]), ("ship.status", None),
    ("service_list", None), ("service_status", ["web"]), ("service_stop", ["web"]), ("service_start", ["web"]),
    ("service_kill", ["db", "SIGCONT"]), ("service_get", ["web"]), ("service_stats", ["db"]), ("stream_currentLogs", ["web"]),
    ("stream_subscribeLogs", ["web"]), ("service_create", {"name": "old", "content": {"exec": SLEEP}}), ("service_stop", ["old"]),
    ("service.wait", {"name": "old", "state": "exited"}), ("service_forget", ["old"]), ("service_monitor", ["old"]), ("service_delete", ["old"]),
    ("service.delete_all", {"names": "new*"}),
]
# Called by tests of their own, or only refused here.
ELSEWHERE = {"system.shutdown", "system_shutdown", "system.prepare_restart", "system.reboot", "system.upgrade", "system_reboot", "ship.probe"}

# What a method cannot be called without, the name of a service aside.
REQUIRED = {
    "service_create": {"content": {"exec": SLEEP}}, "logs.filter": {"service": "web"}, "subscription.end": {"subscription": 1},
    "service.preview": {"event": "stop"}, "ship.probe": {"sink": "nowhere"},
}


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
        if method["name"] in ELSEWHERE or any(p["name"] == "config" for p in method["params"]):
            continue  # what is unknown in a configuration is a warning
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


def test_delete_is_answered_when_it_is_gone(server):
    server.add("slow", "trap 'sleep .3; exit 0' TERM; echo ready; while :; do sleep .05; done")
    server.start()
    server.wait_line("slow", "ready")
    assert server.rpc("service.delete", ["slow"]) == {"ok": True}
    assert server.rpc("service.list") == []


def test_unknown_sections_are_told_as_in_a_file(shop):
    told = shop.rpc("service.set", {"service": {"name": "more", "exec": SLEEP, "bogus": 1}, "extra": {"x": 1}})["warnings"]
    assert any("bogus" in text for text in told) and any("extra" in text for text in told), told


# --- the classic names ------------------------------------------------------------------------------


def test_classic_life(server):
    server.start()
    content = {"exec": "echo hi; exec sleep 1000", "test": "true", "after": [], "signal": {"stop": "SIGINT"}, "log": "ring", "env": {"A": "1"},
               "dir": "", "shutdown_timeout": 3}
    assert "created" in server.rpc("service_create", {"name": "old", "content": content})
    server.wait_state("old", "running")
    made = server.rpc("service_get", ["old"])
    assert made["service"]["dir"] == "/" and made["service"]["env"] == {"A": "1"}
    assert made["lifecycle"]["stop_signal"] == "SIGINT" and made["lifecycle"]["stop_timeout_ms"] == 3000
    assert made["lifecycle"]["restart"] == "always" and made["lifecycle"]["max_restarts"] == 0
    status = server.rpc("service_status", ["old"])
    assert status["state"] == "Running" and status["target"] == "Up" and status["pid"] == server.pid("old")
    stats = server.rpc("service_stats", ["old"])
    assert stats["pid"] == status["pid"] and stats["memory_usage"] > 0
    with pytest.raises(RpcError) as caught:
        server.rpc("service_forget", ["old"])
    assert caught.value.data["code_name"] == "ServiceIsUp"
    assert server.rpc("service_stop", ["old"]) is None
    server.wait_state("old", "exited", "inactive")
    assert server.rpc("service_forget", ["old"]) is None
    assert server.rpc("service_list") == {}
    assert (server.services / "old.toml").exists()
    assert server.rpc("service_monitor", ["old"]) is None
    server.wait_state("old", "running")
    assert "deleted" in server.rpc("service_delete", ["old"])
    wait_for(lambda: server.rpc("service_list") == {}, 5)
    assert not (server.services / "old.toml").exists()
    with pytest.raises(RpcError) as caught:
        server.rpc("service_monitor", ["old"])
    assert caught.value.code == -32000


def test_classic_monitor_of_a_bad_file(server):
    server.start()
    server.write("bad.toml", '[service]\nexec = 5\n')
    with pytest.raises(RpcError) as caught:
        server.rpc("service_monitor", ["bad"])
    assert "bad.toml:2" in caught.value.message


def test_classic_subscription(server):
    server.add("talk", "while read -r line; do echo $line; done < pipe", dir=str(server.dir))
    os.mkfifo(server.dir / "pipe")
    server.start()
    with server.connect() as connection:
        number = connection.call("stream_subscribeLogs", ["talk"])
        with open(server.dir / "pipe", "w") as pipe:
            pipe.write("one\ntwo\n")
            pipe.flush()
            texts = [connection.notification()["params"] for _ in range(2)]
    assert texts == [{"subscription": number, "result": f"[+] talk: {word}"} for word in ("one", "two")]


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


def test_a_client_can_not_forge_lines_of_the_audit(shop):
    with pytest.raises(RpcError):
        shop.rpc("service.kill", {"name": "web", "signal": "x\nzinit: info: audit: call=99 uid=7: taken\x1b[2J"})
    line = shop.says("audit: call=99")
    assert "method=service.kill" in line and "\x1b" not in line


def test_the_audit_names_whom_a_definition_is_about(shop):
    shop.rpc("service.set", {"config": {"service": {"name": "made", "exec": SLEEP}}})
    assert "uid=0" in shop.says("audit: call=", "method=service.set", "service=made", "taken")


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
        calls.append((method["name"], {**params, **REQUIRED.get(method["name"], {})}))
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
