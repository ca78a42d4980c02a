# SPDX-License-Identifier: Apache-2.0
"""Against zinit 0.3.9: the same requests to both servers, each difference of the answers with its reason; its client on our
server. What it answered is recorded, so that only the client's part needs its programs."""
import json
import pathlib
import re

import pytest
from harness import exchanges, reference
from harness.wait import wait_for

ROOT = pathlib.Path(__file__).parents[2]
TRANSCRIPT = ROOT / "test/fixtures/reference/transcript.json"


# --- differences that are meant --------------------------------------------------------------------------------------------
# Each: a sentence of docs/compat.md (its "because"), and when it explains a difference: (entry, their answer, our answer).


def code(answer):
    return answer.get("error", {}).get("code") if isinstance(answer, dict) else None


def method(entry):
    return entry["request"].get("method")


def params(entry):
    given = entry["request"].get("params")
    return given if isinstance(given, dict) else {}


def named(entry):
    return params(entry).get("name")


def same_but(entry, theirs, ours, *keys):
    """Equal when these members of the results are left out."""
    if "result" not in theirs or "result" not in ours or not isinstance(theirs["result"], dict):
        return False
    return {k: v for k, v in theirs["result"].items() if k not in keys} == {k: v for k, v in ours["result"].items() if k not in keys}


def same_code(theirs, ours):
    return code(theirs) is not None and code(theirs) == code(ours)


def starts_as_theirs(theirs, ours):
    return same_code(theirs, ours) and ours["error"]["message"].startswith(theirs["error"]["message"].rstrip())


DIFFERENCES = {
    "own version": lambda e, t, o: same_but(e, t, o, "version") and "version" in t["result"],
    "messages begin with the words of 0.3.9 and go on": lambda e, t, o: starts_as_theirs(t, o),
    "codes are the same, the words are ours": lambda e, t, o: same_code(t, o),
    "because the classic codes are precise": lambda e, t, o: code(t) == -32603 and code(o) in (-32000, -32003, -32004, -32006),
    "because all problems of a definition are told at once": lambda e, t, o: method(e) == "service.set" and code(t) == -32602 and code(o) == -32011,
    "because a name that no service can have is a mistake of the caller": lambda e, t, o: named(e) == "" and code(o) == -32602,
    "because a misspelt parameter must not be passed over": lambda e, t, o: code(o) == -32602 and (
        e["request"].get("params") in (["x"], {"config": 5}) or method(e) == "system.ping" or e["setup"].startswith("positional") or named(e) == 5),
    "one name may be positional": lambda e, t, o: (e["setup"] == "positional" or e["request"].get("params") == ["x"]) and (
        code(t) in (None, -32602)) and code(o) in (None, -32000),
    "they answer with their older meaning": lambda e, t, o: code(t) == -32601 and e["setup"].startswith("a method that 0.3.9"),
    "without name: all services": lambda e, t, o: named(e) is None and (
        (method(e) == "logs.get" and t.get("result") == []) or (method(e) == "debug.process_tree" and code(t) == -32602)),
    "because doing something else than asked is dangerous": lambda e, t, o: code(o) in (-32602, -32004) and (
        "lines" in params(e) or "signal" in params(e)) and "result" in t,
    "filters as documented": lambda e, t, o: method(e).startswith("logs.") and ({"stream", "since", "lines"} & params(e).keys()) and "result" in o,
    "because a step that failed must not look like one that was done": lambda e, t, o: named(e) == "once1" and "result" in t,
    "`service.get` says `never` then": lambda e, t, o: method(e) == "service.get" and o["result"]["service"]["oneshot"]
        and o["result"]["lifecycle"]["restart"] == "never",
    "the signal's name beside its number": lambda e, t, o: method(e) == "service.status" and o["result"].get("error") == "killed by SIGKILL (9)",
    "says which directory": lambda e, t, o: named(e) == "nodir" and method(e) in ("service.status", "service.status_full"),
    "rows differ as their states do": lambda e, t, o: method(e) == "service.list_full" and all(
        a == b or a["name"] in ("nodir", "once1") for a, b in zip(t["result"], o["result"], strict=True)),
    "numbers in env are taken as their text": lambda e, t, o: params(e).get("service", {}).get("env") == {"A": 1} and "result" in o,
    "uptime filled": lambda e, t, o: method(e) == "service.status_full" and same_but(e, t, o, "uptime_secs"),
    "conflicts are listed": lambda e, t, o: method(e) == "service.status_full" and named(e) == "clash",
    "what it waits for, down to the root": lambda e, t, o: method(e) == "service.why" and same_but(e, t, o, "ascii"),
    "text for people": lambda e, t, o: method(e) in ("debug.state", "debug.process_tree", "service.tree") and "result" in t and "result" in o,
    "in another order": lambda e, t, o: method(e) == "service.children" and sorted(map(str, t["result"]["children"])) == sorted(
        str(dict(sorted(c.items()))) for c in o["result"]["children"]),
    "ignored with a warning": lambda e, t, o: method(e) == "service.set" and same_but(e, t, o, "warnings") and o["result"]["warnings"],
    "files may name what does not exist yet": lambda e, t, o: code(t) == -32012 and "result" in o,
    "a target may be set": lambda e, t, o: "target" in params(e) and "result" in o,
    "a number is taken as the signal": lambda e, t, o: params(e).get("lifecycle", {}).get("stop_signal") == 15 and "result" in o,
    "because it can never start": lambda e, t, o: code(o) in (-32011, -32010) and params(e).get("service", {}).get("name") == "loop",
    "any JSON id, echoed": lambda e, t, o: e["setup"] in ("string id", "null id", "negative id", "float id") and "result" in o,
    "a blank line is no request": lambda e, t, o: e["setup"] == "empty line" and o is None,
    "several objects on a line": lambda e, t, o: e["setup"] == "two objects on one line",
    "notifications are carried out, not answered": lambda e, t, o: e["setup"] == "notification" and o is None,
    "batches": lambda e, t, o: e["setup"] == "batch",
    "-32600": lambda e, t, o: "raw" in e["request"] and code(o) == -32600,
    "may go on in the next line": lambda e, t, o: e["setup"] == "malformed" and o is None,
    "with id null, as the standard says": lambda e, t, o: "raw" in e["request"] and code(t) == code(o) == -32700 and o["id"] is None,
    "up to 9223372036854775807": lambda e, t, o: e["setup"] == "largest id" and code(o) == -32700,
}


def reduced(ours, theirs):
    """Ours without the members that theirs does not have: what is more hurts nobody."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {key: reduced(value, theirs[key]) for key, value in ours.items() if key in theirs}
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [reduced(a, b) for a, b in zip(ours, theirs)]
    return ours


def sort_keys(value):
    return json.loads(json.dumps(value, sort_keys=True))


def explain(entry, theirs, ours):
    """None: equal; else the names of the differences that explain it."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        ours = {**ours, **{k: reduced(ours[k], theirs[k]) for k in ours if k in ("result", "error")}}
        if "error" in ours and "data" not in theirs["error"]:
            ours["error"].pop("data", None)
    if sort_keys(ours) == sort_keys(theirs):
        return None
    found = []
    for name, matches in DIFFERENCES.items():
        try:
            if matches(entry, theirs, ours):
                found.append(name)
        except (KeyError, TypeError, AttributeError):
            pass
    return found


def our_server(server):
    for name, text in exchanges.FILES.items():
        server.write(f"{name}.toml", text)
    return server.start()


def test_answers_are_those_of_the_reference(server):
    recorded = json.loads(TRANSCRIPT.read_text())
    script = exchanges.steps()
    asked = [{k: v for k, v in entry.items() if k != "response"} for entry in recorded]
    assert asked == json.loads(json.dumps(script)), "run tools/record_reference.py: the script has changed"
    our_server(server)
    ours = exchanges.run(server.socket, server.services, script)
    strange, used = [], set()
    for entry, mine in zip(recorded, ours):
        found = explain(entry, entry["response"], mine["response"])
        if found == []:
            strange.append((entry["setup"], entry["request"], entry["response"], mine["response"]))
        used |= set(found or [])
    assert not strange, "\n\n".join(f"{setup}: {json.dumps(request)}\n  0.3.9: {json.dumps(a)}\n  ours:  {json.dumps(b)}"
                                    for setup, request, a, b in strange)
    assert not DIFFERENCES.keys() - used, "differences that are none any more"


def test_each_difference_stands_in_the_document():
    text = (ROOT / "docs/compat.md").read_text()
    assert [name for name in DIFFERENCES if name not in text] == []


# --- its client on our server, and ours on its ----------------------------------------------------------------------------

VERBS = [["list"], ["ls"], ["status", "db"], ["status", "fail3"], ["status", "miss"], ["status", "tgt"], ["status", "needs"], ["status", "nope"],
         ["start", "db"], ["start", "nope"], ["stop", "needs"], ["stop", "nope"], ["stop", "tree"], ["restart", "tree"], ["restart", "nope"],
         ["start", "tree"], ["kill", "stopme"], ["kill", "nope"], ["why", "db"], ["why", "needs"], ["why", "nope"], ["tree"], ["logs", "db"],
         ["logs", "-n", "1", "db"], ["logs", "nope"], ["logs", "-f", "db"], ["ping"], ["debug-state"], ["debug-procs", "db"], ["debug-procs", "nope"],
         ["debug-procs", "fail3"], ["reload"], ["add-service", "--name", "a1", "--exec", "sleep 1000", "-e", "A=1", "--after", "db"],
         ["add-service", "--name", "a 1", "--exec", "x"], ["status", "a1"], ["remove", "nope"], ["shutdown"]]
# Its texts that ours differ in: exit status only.
OTHER_WORDS = {"tree", "debug-state", "debug-procs", "ping"}


def plain(text, folder):
    text = re.sub(r"\d{13} ", "T ", re.sub(r"(pid:|PID:) *\d+", r"\1 N", text)).replace(str(folder), "DIR")
    text = re.sub(r"(Error: [A-Za-z ]+)(: .*)?", r"\1", text)  # ours say more after the colon
    return sorted(re.sub(r"  +", " ", line) for line in text.splitlines())


def drive(folder, home, services):
    said = []
    for verb in VERBS:
        result = reference.client(folder, home, *verb)
        said.append((verb, result.returncode, plain(result.stdout, services), plain(result.stderr, services)))
    return said


def at_rest(socket):
    for name, state in exchanges.REST.items():
        exchanges.wait_until(socket, {"name": name, "state": state})


def at_home(server):
    """Our server where the reference's client looks for one."""
    (server.dir / "hero/var").mkdir(parents=True)
    server.socket = server.dir / "hero/var/zinit.sock"
    return our_server(server)


def test_its_client_on_our_server(server, tmp_path):
    folder = reference.binaries()
    files = {name: text for name, text in exchanges.FILES.items() if name not in ("sig9", "once1")}  # differ by intent
    with reference.Reference(folder, tmp_path, files) as theirs:
        for name in files:
            exchanges.wait_until(theirs.socket, {"name": name, "state": exchanges.REST[name]})
        expected = drive(folder, tmp_path, theirs.services)
    at_home(server)
    server.rpc("service.delete", ["sig9"])
    server.rpc("service.delete", ["once1"])
    at_rest_of = {name: exchanges.REST[name] for name in files}
    for name, state in at_rest_of.items():
        exchanges.wait_until(server.socket, {"name": name, "state": state})
    for theirs, ours in zip(expected, drive(folder, server.dir, server.services)):
        verb = theirs[0][0]
        assert ours[1] == theirs[1], (ours, theirs)
        if verb not in OTHER_WORDS:
            assert ours == theirs
    server.process.wait(20)


def test_its_screen_on_our_server(server):
    folder = reference.binaries()
    at_home(server)
    at_rest(server.socket)
    with reference.Screen(folder, server.dir, server.socket) as screen:
        def shows(*words):
            return wait_for(lambda: all(word in screen.text() for word in words), 20, f"{words} on:\n{screen.text()}")

        shows("[connected]", "[-] cache", "[+] db", "[?] needs", "[X] fail3", "Services (16)")
        screen.keys("s")  # the first is cache
        shows("[+] cache", "State: running")
        screen.keys("r")
        server.says("method=service.restart service=cache: taken")
        screen.keys("S")
        shows("[.] cache", "State: exited")
        screen.keys("Down")
        shows("PID: " + str(server.pid("db")), "[stdout] ready", "[stderr] warn")
        screen.keys("K")
        server.says("db: running -> failed: killed by SIGKILL")
        screen.keys("G")
        for _ in range(4):
            screen.keys("Down")
        screen.keys("w")
        shows("Why Blocked?", "cache")


def test_our_client_on_its_server(server, tmp_path):
    folder = reference.binaries()
    with reference.Reference(folder, tmp_path, exchanges.FILES) as theirs:
        at_rest(theirs.socket)
        server.socket = theirs.socket
        for arguments, status, words in [
                (["ping"], 0, "0.3.9"), (["list"], 0, "web"), (["status", "db"], 0, "running"), (["status", "nope"], 3, ""), (["why", "needs"], 0, "cache"),
                (["tree"], 0, "web"), (["start", "--no-wait", "db"], 0, ""), (["kill", "db", "CONT"], 0, ""),
                (["stop", "--no-wait", "tree"], 0, ""), (["restart", "--no-wait", "pa"], 0, ""), (["rpc", "service.list"], 0, "needs"),
                (["list", "--json"], 0, "web")]:
            result = server.cli(*arguments)
            assert result.returncode == status, (arguments, result)
            assert words in result.stdout, (arguments, result)
