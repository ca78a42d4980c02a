# SPDX-License-Identifier: Apache-2.0
"""What is asked of two servers to compare their answers: service files, requests with good and bad parameters, and how
an answer is made comparable (pids, times and paths replaced, lists without an order sorted)."""
import json
import re
import socket

from .wait import wait_for

SLEEP = "sleep 1000"


def service(name, exec=SLEEP, extra="", **keys):
    lines = ["[service]", f'name = "{name}"', f"exec = {json.dumps(exec)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n" + extra


FILES = {
    "cache": service("cache", status="stop"),
    "db": service("db", "echo ready; sleep .1; echo warn >&2; sleep 1000"),
    "fail3": service("fail3", "sleep .1; exit 3", '[lifecycle]\nrestart = "never"\n'),
    "manual": service("manual", status="ignore"),
    "miss": service("miss", extra='[dependencies]\nrequires = ["ghost"]\n'),
    "needs": service("needs", extra='[dependencies]\nrequires = ["cache"]\n'),
    "nodir": service("nodir", "sleep 1", '[lifecycle]\nrestart = "never"\n', dir="/no/such/dir"),
    "once": service("once", "sleep .1; echo done", oneshot=True),
    "once1": service("once1", "sleep .1; exit 1", '[lifecycle]\nrestart = "never"\n', oneshot=True),
    "pa": service("pa", ports=[18191]),
    "ready": service("ready", extra='[health]\ntype = "exec"\ntarget = "false"\nretries = 50\n'),
    "sig9": service("sig9", "sleep .1; kill -9 $$", '[lifecycle]\nrestart = "never"\n'),
    "stopme": service("stopme"),
    "tgt": '[target]\nname = "tgt"\n[dependencies]\nrequires = ["web"]\n',
    "tree": service("tree", 'sh -c "sleep 1000; true"; true'),
    "web": service("web", extra='[dependencies]\nrequires = ["db"]\nafter = ["db"]\nwants = ["cache"]\n'),
}
# Where each comes to rest. A list: the servers differ, either will do.
REST = {"cache": "inactive", "db": "running", "fail3": "failed", "manual": "inactive", "miss": "failed", "needs": "blocked",
        "nodir": "failed", "once": "exited", "once1": ["exited", "failed"], "pa": "running", "ready": "starting",
        "sig9": "failed", "stopme": "running", "tgt": "running", "tree": "running", "web": "running"}
ALL = sorted(FILES) + ["clash", "pb"]
# One at a time is set to each of these, beside name and exec; what service.get says afterwards is compared.
GOOD_KEYS = {
    "service": {"dir": "/tmp", "oneshot": True, "env": {"A": "1", "B": ""}, "status": "ignore", "class": "system", "critical": True,
                "ports": [1, 65535], "process_filters": ["no-such-process-name"], "kill_others": True},
    "dependencies": {"after": ["db"], "requires": ["db"], "wants": ["cache"], "conflicts": ["cache"]},
    "lifecycle": {"restart": "always", "restart_delay_ms": 7, "restart_delay_max_ms": 400000, "max_restarts": 0, "stability_period_ms": 5,
                  "start_timeout_ms": 77, "stop_timeout_ms": 88, "stop_signal": "SIGINT"},
    "logging": {"buffer_lines": 5, "file": "/tmp/x.log"},
}
BAD_KEYS = {
    "service": {"name": [5, "", "a b", "a/b", "é"], "exec": [5, ""], "dir": [5], "oneshot": [1, "yes"], "env": ["A=1", {"A": 1}],
                "status": ["up", 1], "class": ["root"], "critical": ["no"], "ports": [80, [99999], [-1], ["80"]], "process_filters": ["x", [1]]},
    "dependencies": {"after": ["db", [1]], "requires": ["db", ["ghost"]], "wants": [["ghost"]], "conflicts": [["ghost"]]},
    "lifecycle": {"restart": ["foo", True], "restart_delay_ms": ["1s", -1, 1.5], "restart_delay_max_ms": [1], "max_restarts": [-1],
                  "start_timeout_ms": [0], "stop_timeout_ms": [0], "stop_signal": ["SIGX", 15]},
    "health": {"type": ["x"], "target": [5, ""], "retries": [0], "interval_ms": [0], "timeout_ms": [0]},
    "logging": {"buffer_lines": [0, "many"]},
}
NAMED = ["service.get", "service.delete", "service.remove", "service.start", "service.stop", "service.restart", "service.kill",
         "service.status", "service.status_full", "service.stats", "service.children", "service.is_running", "service.why",
         "logs.get", "logs.tail", "logs.filter", "debug.process_tree"]
GONE = ["service.create", "service.add", "service.register", "service.monitor", "service.update", "service.reload", "service.start_all",
        "service.stop_all", "service.delete_all", "service_list", "service_status", "service_start", "service_stop", "service_kill",
        "service_create", "service_delete", "service_forget", "service_monitor", "service_get", "service_stats", "system_shutdown",
        "system_reboot", "stream_currentLogs", "stream_subscribeLogs", "xinet.create", "xinet.register", "xinet.unregister", "no.such"]
PING = '{"jsonrpc":"2.0","method":"system.ping","id":1}'
RAW = {
    "malformed": "{bad\n", "empty line": "\n", "two objects on one line": PING + PING + "\n",
    "string id": PING.replace("1}", '"a"}') + "\n", "null id": PING.replace("1}", "null}") + "\n",
    "negative id": PING.replace("1}", "-1}") + "\n", "float id": PING.replace("1}", "1.5}") + "\n",
    "notification": PING.replace(',"id":1', "") + "\n", "batch": f"[{PING}]\n", "empty batch": "[]\n",
    "no jsonrpc": PING.replace('"jsonrpc":"2.0",', "") + "\n", "other jsonrpc version": PING.replace("2.0", "1.0") + "\n",
    "no method": '{"jsonrpc":"2.0","id":1}\n', "method not a string": '{"jsonrpc":"2.0","id":1,"method":3}\n',
    "params not a structure": '{"jsonrpc":"2.0","id":1,"method":"service.status","params":"db"}\n',
    "params null": PING.replace("}", ',"params":null}') + "\n", "unknown member": PING.replace("}", ',"x":2}') + "\n",
    "largest id": PING.replace("1}", "18446744073709551615}") + "\n", "scalar": "5\n",
    "carriage return": PING + "\r\n", "spaces around": "  " + PING.replace(",", " , ") + "  \n",
    "escapes in a name": PING.replace("system", "s\\u0079stem") + "\n",
}


def step(setup, method, params=None, wait=None):
    request = {"jsonrpc": "2.0", "id": 1, "method": method}
    if params is not None:
        request["params"] = params
    return {"setup": setup, "request": request, **({"wait": wait} if wait else {})}


def config(section, key, value, name="z"):
    made = {"service": {"name": name, "exec": SLEEP}}
    if section == "health":
        made["health"] = {"type": "exec", "target": "true"}
    made.setdefault(section, {})[key] = value
    return made


def look_steps():
    for method in ["system.ping", "service.list", "service.list_full", "service.tree", "debug.state", "logs.get"]:
        yield step("no params", method)
        yield step("params where none are taken", method, ["x"])
    for method in ["service.status", "service.status_full", "service.why", "service.is_running", "service.get"]:
        for name in ALL:
            yield step(f"of {name}", method, {"name": name})
    for method in ["service.stats", "service.children", "debug.process_tree"]:
        for name in ["db", "tree", "stopme", "tgt", "fail3", "needs"]:
            yield step(f"of {name}", method, {"name": name})
    for method in ["logs.get", "logs.tail", "logs.filter"]:
        key = "service" if method == "logs.filter" else "name"
        for params in [{}, {"lines": 1}, {"lines": 0}, {"lines": -1}, {"lines": "x"}, {"stream": "stderr"}, {"since": 0}]:
            yield step(f"of db, {params}", method, {key: "db", **params})
        yield step("of a service without output", method, {key: "pa"})


def bad_steps():
    for method in NAMED:
        for setup, params in [("name missing", {}), ("no params", None), ("name is a number", {"name": 5}), ("name is null", {"name": None}),
                              ("positional", ["nope"]), ("unknown name", {"name": "nope"}), ("empty name", {"name": ""})]:
            yield step(setup, method, params)
    for method in GONE:
        yield step("a method that 0.3.9 does not have", method, {"name": "nope"})
    yield step("not process 1", "system.reboot")


def set_steps():
    for params in [None, {}, ["x"], {"config": {}}, {"config": 5}, {"service": 5}, {"target": {"name": "tt"}}, {"service": {"name": "z"}},
                   {"service": {"exec": "x"}}]:
        yield step(f"set with {json.dumps(params)}", "service.set", params)
    yield step("new", "service.set", {"service": {"name": "n1", "exec": SLEEP}})
    yield step("nested under config", "service.set", {"config": {"service": {"name": "n2", "exec": SLEEP}}})
    yield step("unknown section", "service.set", {"service": {"name": "n3", "exec": SLEEP}, "bogus": 1})
    yield step("unknown key", "service.set", {"service": {"name": "n4", "exec": SLEEP, "bogus": 1}})
    for name in ["n1", "n2", "n3", "n4"]:
        yield step("what was set", "service.get", {"name": name})
    for section, keys in GOOD_KEYS.items():
        for key, value in keys.items():
            name = f"k-{key}"
            yield step(f"{section}.{key}", "service.set", config(section, key, value, name))
            yield step(f"{section}.{key}", "service.get", {"name": name})
    for n, health in enumerate([{"type": "tcp", "target": "127.0.0.1:1"}, {"type": "http", "target": "http://127.0.0.1:1/x", "expect_status": 204},
                                {"type": "exec", "target": "true", "interval_ms": 50, "timeout_ms": 60, "retries": 7, "start_period_ms": 9}]):
        yield step("health", "service.set", {"service": {"name": f"h{n}", "exec": SLEEP}, "health": health})
        yield step("health", "service.get", {"name": f"h{n}"})
    for section, keys in BAD_KEYS.items():
        for key, values in keys.items():
            for value in values:
                yield step(f"bad {section}.{key}", "service.set", config(section, key, value))
    yield step("health without target", "service.set", {"service": {"name": "z", "exec": SLEEP}, "health": {"type": "exec"}})
    yield step("health without type", "service.set", {"service": {"name": "z", "exec": SLEEP}, "health": {"target": "true"}})
    yield step("several problems", "service.set", {"service": {"name": "a b", "exec": ""}, "lifecycle": {"start_timeout_ms": 0, "stop_signal": "X"}})
    yield step("in a circle with itself", "service.set", {"service": {"name": "loop", "exec": SLEEP}, "dependencies": {"requires": ["loop"]}})


def change_steps():
    for setup, method, name, then in [
            ("running", "service.start", "db", "running"), ("blocked", "service.start", "needs", "blocked"),
            ("missing requirement", "service.start", "miss", "failed"),
            ("stopped already", "service.stop", "stopme", "exited"), ("blocked", "service.stop", "needs", "inactive"),
            ("failed", "service.stop", "fail3", ["inactive", "failed"]), ("running", "service.stop", "k-critical", "exited"),
            ("exited", "service.restart", "k-critical", "running"), ("running", "service.restart", "tree", "running"),
            ("failed", "service.start", "sig9", "failed"), ("exited oneshot", "service.start", "once", "exited"),
            ("target", "service.stop", "tgt", "inactive"), ("target", "service.start", "tgt", "running")]:
        yield step(setup, method, {"name": name})
        yield step(f"after {method} of {name}", "service.status", {"name": name}, wait={"name": name, "state": then})
    yield step("more parameters", "service.start", {"name": "db", "tree": True})
    for signal in ["SIGCONT", "cont", "CONT", "18", "SIGFOO", "0", "99", ""]:
        yield step(f"signal {signal!r}", "service.kill", {"name": "db", "signal": signal})
    for name, signal in [("n2", 18), ("n3", 18.0), ("n4", None), ("k-env", ["x"])]:  # it may end: each has one
        yield step(f"signal {signal!r}", "service.kill", {"name": name, "signal": signal})
    yield step("not running", "service.kill", {"name": "stopme"})
    yield step("not running, bad signal", "service.kill", {"name": "stopme", "signal": "SIGFOO"})
    for method, name in [("service.delete", "once"), ("service.remove", "once1"), ("service.delete", "tgt"), ("service.delete", "n1")]:
        yield step(f"delete of {name}", method, {"name": name})
        yield step("it is gone", "service.status", {"name": name})
    yield step("end", "system.shutdown")


def steps():
    """All exchanges, in their order. `wait` says which service is in which state before the request is sent."""
    first = [step("first", "system.ping", wait={"name": name, "state": state}) for name, state in REST.items()]
    first.append(step("blocked by a conflict", "service.set", {"service": {"name": "clash", "exec": SLEEP}, "dependencies": {"conflicts": ["db"]}}))
    first.append(step("blocked by a port", "service.set", {"service": {"name": "pb", "exec": SLEEP, "ports": [18191]}}))
    first.append(step("running", "service.stop", {"name": "stopme"}))
    first.append(step("stopped", "service.status", {"name": "stopme"}, wait={"name": "stopme", "state": "exited"}))
    raw = [{"setup": setup, "request": {"raw": text}} for setup, text in RAW.items()]
    return [*first, *look_steps(), *bad_steps(), *raw, *set_steps(), *change_steps()]


# --- asking -------------------------------------------------------------------------------------------------------------


def ask(path, data, timeout=15):
    """One request on a connection of its own: what came back as text, "" if the server said nothing or closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(data.encode())
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := connection.recv(1 << 20):
            got += chunk
    return got.decode()


def wait_until(path, wait, limit=20):
    states = wait["state"] if isinstance(wait["state"], list) else [wait["state"]]
    request = json.dumps(step("", "service.status", {"name": wait["name"]})["request"]) + "\n"
    wait_for(lambda: json.loads(ask(path, request)).get("result", {}).get("state") in states, limit, f"{wait['name']} is {' or '.join(states)}")


def run(path, folder, script):
    """Send each request of the script; the entries with their answers, made comparable."""
    entries = []
    for entry in script:
        if "wait" in entry:
            wait_until(path, entry["wait"])
        request = entry["request"]
        text = ask(path, request.get("raw") or json.dumps(request) + "\n")
        answers = [comparable(json.loads(line), request.get("method"), folder) for line in text.splitlines() if line]
        entries.append({**entry, "response": answers[0] if len(answers) == 1 else answers or None})
    return entries


# --- making comparable --------------------------------------------------------------------------------------------------

NUMBERS = {"pid", "memory_bytes", "uptime_secs", "timestamp_ms", "cpu_percent", "cpu_ms", "uptime_ms"}
SETS = {"waiting_on", "conflicts_with", "errors", "blocked_by"}
IN_TEXT = [(re.compile(r"\b(pid|ppid)([=: ]+)\d+"), r"\1\2N"), (re.compile(r"uptime=\d+s"), "uptime=Ns"), (re.compile(r"^\d{13} "), "T "),
           (re.compile(r", (sleeping|running|disk sleep)\)"), ", X)"), (re.compile(r"state=\S+\)"), "state=X)")]


def plain(value, folder):
    if isinstance(value, dict):
        made = {key: plain(item, folder) for key, item in value.items()}
        for key in NUMBERS & made.keys():
            if isinstance(made[key], (int, float)):
                made[key] = 1 if made[key] and key != "cpu_percent" else 0
        for key in SETS & made.keys():
            made[key] = sorted(made[key])
        return made
    if isinstance(value, list):
        return [plain(item, folder) for item in value]
    if isinstance(value, str):
        value = value.replace(str(folder), "<config_dir>")
        for pattern, text in IN_TEXT:
            value = pattern.sub(text, value)
    return value


def blocks(text, begins):
    """Text whose paragraphs come in any order: sorted, and the children in them too."""
    found = []
    for line in text.splitlines():
        if line.startswith(begins) or not found:
            found.append([])
        found[-1].append(line.rstrip())
    return sorted([part[0], *sorted(filter(None, part[1:]))] for part in found)


def comparable(answer, method, folder):
    answer = plain(answer, folder)
    result = answer.get("result") if isinstance(answer, dict) else None
    if not result:
        return answer
    if method == "service.list":
        answer["result"] = sorted(result)
    elif method == "service.list_full":
        answer["result"] = sorted(result, key=lambda row: row["name"])
    elif method == "service.tree":
        result["ascii"] = blocks(result["ascii"].replace("└", "├"), "├")
    elif method == "debug.state":
        result["output"] = blocks(result["output"], "[")
    elif method == "debug.process_tree":
        result["output"] = result["output"].splitlines()
    elif method == "service.status_full":
        result["dependencies"].sort(key=lambda dep: (dep["name"], dep["dep_type"]))
    elif method == "rpc.discover":
        answer["result"] = sorted(row["name"] for row in result["methods"])
    return answer
