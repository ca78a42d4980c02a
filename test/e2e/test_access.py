# SPDX-License-Identifier: Apache-2.0
"""Who may do what: generated rules and callers, every method on every service, by real processes of those users, against an
oracle that says the rules of zinit.toml(5) in another way; what was refused must have had no effect."""
import itertools
import json
import os
import random
import re

import pytest
from harness.rpc import Rpc, RpcError

SLEEP = "exec sleep 1000"
DENIED = -32020
TAGS = {"web1": ["front", "web"], "web2": [], "db": [], "shop-db": ["front"]}
NAMES = sorted(TAGS)
GHOST = "ghost"  # nobody has it: a refused caller must not learn that

# What each rule list covers, by hand; None: the rule has no such key.
LISTS = {
    None: set(NAMES) | {GHOST}, ("*",): set(NAMES) | {GHOST}, ("web*",): {"web1", "web2"}, ("db",): {"db"}, ("web?", "db"): {"web1", "web2", "db"},
    ("@front",): {"web1", "shop-db"}, ("@w*",): {"web1"}, ("none",): set(), ("*-db", "web2"): {"shop-db", "web2"},
}
FOR_ALL = {None, ("*",)}
UNLOCKS = {"read": {"read"}, "control": {"read", "control"}, "admin": {"read", "control", "admin"}}
CALLERS = [(1001, 2001, ()), (1001, 2002, (2001,)), (1002, 2002, (2003, 2004)), (1003, 2005, (2001, 2002, 2003, 2004)), (65534, 65534, ())]

READ = """rpc.discover system.ping system.info service.list service.list_full service.table service.status service.status_full service.stats
    service.children service.is_running service.why service.tree service.get service.wait logs.get logs.tail logs.filter logs.query logs.follow
    events.subscribe subscription.end debug.state debug.process_tree service_list service_status service_get service_stats stream_currentLogs
    stream_subscribeLogs""".split()
CONTROL = """service.start service.stop service.restart service.kill service.start_all service.stop_all service_start service_stop
    service_kill""".split()
ADMIN = """system.shutdown system.reboot system.prepare_restart service.set service.add service.create service.register service.monitor
    service.update service.delete service.remove service.delete_all service.reload system_shutdown system_reboot service_create service_monitor
    service_forget service_delete""".split()
CLASS = {**dict.fromkeys(READ, "read"), **dict.fromkeys(CONTROL, "control"), **dict.fromkeys(ADMIN, "admin")}
LAST = ("service_delete", "service.delete", "service.remove", "service_forget")
MORE = {"service.kill": {"signal": "CONT"}, "service_kill": {"signal": "CONT"}, "service.wait": {"state": "running", "timeout_ms": 1},
        "service.preview": {"event": "stop"}, "service_create": {"content": {"exec": SLEEP}}, "subscription.end": {"subscription": 999}, "service.start_all": {"names": "web1"},
        "service.stop_all": {"names": "web1"}, "service.delete_all": {"names": "nothing*"}, "ship.probe": {"sink": "nowhere"}}
DEFINES = {"service.set", "service.add", "service.create", "service.register", "service.monitor", "service.update"}


# --- the oracle -----------------------------------------------------------------------------------------------------------


def grants(rule, caller, verb_class):
    uid, gid, groups = caller
    if "uid" not in rule and "gid" not in rule:
        return False
    if rule.get("uid", uid) != uid or ("gid" in rule and rule["gid"] not in (gid, *groups)):
        return False
    return any(verb_class in UNLOCKS[verb] for verb in rule["verbs"])


def may(rules, caller, verb_class, name):
    """`name` None: the method is about no single service; changing by such a method takes a rule for all of them."""
    for rule in rules:
        if not grants(rule, caller, verb_class):
            continue
        if name is None and (verb_class == "read" or rule["services"] in FOR_ALL):
            return True
        if name is not None and name in LISTS[rule["services"]]:
            return True
    return False


# --- generating -------------------------------------------------------------------------------------------------------------


def make_rules(seed):
    dice = random.Random(seed)
    rules = []
    for _ in range(dice.randint(1, 5)):
        rule = {"verbs": dice.sample(["read", "control", "admin"], dice.randint(1, 2)), "services": dice.choice(list(LISTS))}
        for key, numbers in (("uid", [1001, 1002, 1003]), ("gid", [2001, 2002, 2003, 2004])):
            if dice.random() < .6:
                rule[key] = dice.choice(numbers)
        if "uid" in rule or "gid" in rule:
            rules.append(rule)
    return rules


def rule_text(rule):
    parts = [f"{key} = {rule[key]}" for key in ("uid", "gid") if key in rule]
    parts.append(f"verbs = {json.dumps(rule['verbs'])}")
    if rule["services"] is not None:
        parts.append(f"services = {json.dumps(rule['services'])}")
    return "{ " + ", ".join(parts) + " }"


def calls_of(document, rules, caller):
    """(method, params, name or None, expected) of every method on every service, those that delete last."""
    made = []
    for method in document["methods"]:
        name = method["name"]
        verb_class = CLASS.get(name) or method["x-access"]
        keys = [p["name"] for p in method["params"]]
        if name in DEFINES:
            made.append((name, {"service": {"name": "made", "exec": SLEEP}}, None, may(rules, caller, verb_class, None)))
            continue
        key = "service" if name == "logs.filter" else "name"
        targets = [*NAMES, GHOST] if key in keys else [None]
        for target in targets:
            params = {**MORE.get(name, {}), **({key: target} if target else {})}
            expected = may(rules, caller, verb_class, target)
            if name.startswith("system") and verb_class == "admin" and expected:
                continue  # ends or replaces the server
            made.append((name, params, target, expected))
    return sorted(made, key=lambda call: call[0] in LAST)


def as_caller(path, caller, calls):
    """Make the calls in a process of that user and those groups; the error code of each, None without error."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            uid, gid, groups = caller
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            codes = []
            with Rpc(path) as connection:
                for method, params in calls:
                    try:
                        connection.call(method, params)
                        codes.append(None)
                    except RpcError as error:
                        codes.append(error.code)
            os.write(write_end, json.dumps(codes).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


# --- tests --------------------------------------------------------------------------------------------------------------------


def write_services(server):
    for name, tags in TAGS.items():
        server.add(name, SLEEP, tags=tags)


def all_up(server):
    """Each service runs, whatever the caller before did."""
    write_services(server)
    server.rpc("service.reload")
    if GHOST in server.rpc("service.list"):
        server.rpc("service.delete", [GHOST])
    for name in NAMES:
        server.rpc("service.start", {"name": name, "wait": True})
    return {name: server.pid(name) for name in NAMES}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
@pytest.mark.parametrize("seed", range(6))
def test_matrix(server, seed):
    rules = make_rules(seed)
    server.settings.write_text(f'[server]\nsocket_mode = "0666"\nallow = [{", ".join(map(rule_text, rules))}]\n[log]\ndir = "{server.logs}"\n')
    write_services(server)
    server.start()
    document = server.rpc("rpc.discover")
    assert CLASS.keys() <= {m["name"] for m in document["methods"]}
    seen = {True: 0, False: 0}
    for caller in CALLERS:
        pids = all_up(server)
        calls = calls_of(document, rules, caller)
        codes = as_caller(server.socket, caller, [call[:2] for call in calls])
        assert len(codes) == len(calls)
        for (method, params, _, expected), code in zip(calls, codes):
            seen[expected] += 1
            assert (code != DENIED) == expected, (rules, caller, method, params, code)
        for name in NAMES:
            if not any(may(rules, caller, verb_class, name) for verb_class in ("control", "admin")):
                assert server.pid(name) == pids[name], (rules, caller, name)
    assert seen[False] > 300


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
def test_the_matrix_has_both_answers_of_each_class():
    """The generated rules are no strawmen: each class is granted and refused on services and without one."""
    answers = set()
    for seed, caller, verb_class, name in itertools.product(range(6), CALLERS, UNLOCKS, [None, *NAMES]):
        answers.add((verb_class, name is None, may(make_rules(seed), caller, verb_class, name)))
    assert answers == set(itertools.product(UNLOCKS, (True, False), (True, False)))


def results_as(server, caller, calls):
    """As as_caller(), but the results."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(caller[2])
            os.setgid(caller[1])
            os.setuid(caller[0])
            said = []
            for method, params in calls:
                with Rpc(server.socket) as connection:
                    try:
                        said.append(connection.call(method, params))
                    except RpcError as error:
                        said.append(error.code)
            os.write(write_end, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
def test_lists_show_what_may_be_read_and_no_more(server):
    server.settings.write_text(f'[server]\nsocket_mode = "0666"\nallow = [{{ uid = 1001, verbs = ["read"], services = ["web*"] }}]\n'
                               f'[log]\ndir = "{server.logs}"\n')
    for name, tags in TAGS.items():
        server.add(name, f"echo secret of {name}; {SLEEP}", tags=tags)
    server.start()
    for name in NAMES:
        server.wait_line(name, "secret")
    calls = [("service.list", None), ("service.list_full", None), ("service.table", None), ("service.tree", None), ("debug.state", None),
             ("debug.process_tree", None), ("logs.get", None), ("logs.query", {}), ("service_list", None), ("stream_currentLogs", None)]
    for (method, _), said in zip(calls, results_as(server, (1001, 1001, ()), calls)):
        text = json.dumps(said)
        assert "web1" in text or "secret of web1" in text, method
        assert not re.search(r"\bdb\b", text), (method, said)  # a cursor may have these two letters among its digits
    # a plain name that may not be read: refused the same whether there is one or not, however it is given
    hidden = [(method, {key: value}) for method, key in [("service.table", "names"), ("service.list_full", "names"), ("logs.query", "names"),
                                                         ("logs.query", "name"), ("logs.follow", "names"), ("logs.follow", "name"), ("logs.filter", "service"),
                                                         ("logs.get", "name"), ("stream_subscribeLogs", "name")]
              for value in ("db", GHOST, "zinit")]
    assert results_as(server, (1001, 1001, ()), hidden) == [DENIED] * len(hidden)
    # the server's own log is for those who may read everything
    assert results_as(server, (0, 0, ()), [("logs.query", {"names": ["zinit"]})])[0] != DENIED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
def test_events_are_of_what_may_be_read(server):
    server.settings.write_text(f'[server]\nsocket_mode = "0666"\nallow = [{{ uid = 1001, verbs = ["read"], services = ["web*"] }}]\n'
                               f'[log]\ndir = "{server.logs}"\n')
    write_services(server)
    server.start()
    for name in ("db", "web1"):
        server.rpc("service.restart", {"name": name, "wait": True})
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(1001)
            os.setuid(1001)
            with Rpc(server.socket) as connection:
                connection.call("events.subscribe", {"cursor": 0})
                os.write(write_end, json.dumps(connection.notification()).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    assert "web1" in text and "db" not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
def test_rules_change_by_a_reload(server):
    def settings(rules):
        server.settings.write_text(f'[server]\nsocket_mode = "0666"\n{rules}\n[log]\ndir = "{server.logs}"\n')

    settings("")
    write_services(server)
    server.start()
    caller, ask = (1001, 1001, ()), [("service.status", {"name": "db"})]
    assert as_caller(server.socket, caller, ask) == [DENIED]
    settings('allow = [{ uid = 1001, verbs = ["read"] }]')
    assert as_caller(server.socket, caller, ask) == [DENIED]
    server.rpc("service.reload")
    assert as_caller(server.socket, caller, ask) == [None]
    settings("allow = 5")
    server.rpc("service.reload")
    server.says("settings are not reloaded", "allow")
    assert as_caller(server.socket, caller, ask) == [None]
    settings("")
    server.rpc("service.reload")
    assert as_caller(server.socket, caller, ask) == [DENIED]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change groups")
def test_mode_and_group_of_the_socket(server):
    server.settings.write_text(f'[server]\nsocket_mode = "0660"\nsocket_group = "nogroup"\nallow = [{{ gid = 65534, verbs = ["read"] }}]\n'
                               f'[log]\ndir = "{server.logs}"\n')
    write_services(server)
    server.start()
    found = server.socket.stat()
    assert (found.st_mode & 0o777, found.st_gid) == (0o660, 65534)
    assert as_caller(server.socket, (1001, 1001, (65534,)), [("system.ping", None), ("service.stop", {"name": "db"})]) == [None, DENIED]
    with pytest.raises(ValueError):  # it could not even connect: the pipe is empty
        as_caller(server.socket, (1001, 1001, ()), [("system.ping", None)])
