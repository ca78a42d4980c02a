# SPDX-License-Identifier: Apache-2.0
"""Reload: what changed is applied, what did not is untouched, what is bad is named."""
from harness.wait import wait_for

SLEEP = "exec sleep 1000"


def pids(server):
    """Of what runs, by name: a file that is invalid is not listed beside the definition that goes on."""
    return {status["name"]: status["pid"] for status in server.rpc("service.list_full") if status.get("pid")}


def test_a_restart_policy_changes_live(server):
    """Acceptance 15: the new policy is in force, the process is the same."""
    server.add("web", SLEEP, restart="always")
    server.start()
    pid = server.wait_pid("web")
    server.add("web", SLEEP, restart="never")
    assert server.cli("reload").returncode == 0
    assert server.pid("web") == pid
    assert server.rpc("service.get", {"name": "web"})["lifecycle"]["restart"] == "never"
    server.cli("kill", "web", "KILL")
    server.wait_state("web", "failed")


def test_one_bad_file_among_fifty(server):
    """Acceptance 15: the other forty-nine are applied, the bad one is named, what runs under its name goes on."""
    names = [f"s{number}" for number in range(50)]
    for name in names:
        server.add(name, SLEEP)
    server.start()
    wait_for(lambda: len(pids(server)) == 50)
    before = pids(server)
    for name in names:
        server.add(name, "exec sleep 2000")
    server.write("s7.toml", '[service]\nname = "s7"\nexec = 12\n')
    result = server.cli("reload")
    assert result.returncode == 1
    assert f"{server.services}/s7.toml:3" in result.stdout + result.stderr
    wait_for(lambda: sum(pids(server).get(name) not in (None, before[name]) for name in names) == 49, 20)
    assert server.pid("s7") == before["s7"]


def test_a_cycle_in_a_reload_is_named_and_nothing_is_touched(server):
    """Acceptance 14: `check` and reload name the chain; the running set stays as it is."""
    names = ["one", "two", "three", "four", "five"]
    for name in [*names, "good"]:
        server.add(name, SLEEP)
    server.start()
    wait_for(lambda: len(pids(server)) == 6)
    before = pids(server)
    for name, needs in zip(names, names[1:] + names[:1]):
        server.add(name, SLEEP, requires=[needs])
    chains = [" -> ".join([*names[at:], *names[:at + 1]]) for at in range(5)]
    for verb in (["check", server.services], ["reload"]):
        result = server.cli(*verb)
        assert result.returncode == 1, verb
        assert any(chain in result.stdout + result.stderr for chain in chains), (verb, result)
    assert pids(server) == before
