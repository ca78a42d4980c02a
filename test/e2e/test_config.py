# SPDX-License-Identifier: Apache-2.0
"""Bad service files: each is named with file, line and column, and never stops the others."""
import os

import pytest
from harness.server import service_toml
from harness.wait import wait_for

GOOD = service_toml("good", exec="exec sleep 1000")

# what is in bad.toml, words of the message, with %F for the file
BAD = {
    "not TOML": ('[service]\nname = "bad"\nexec = \n', ["%F:3:"]),
    "invalid UTF-8": (b'[service]\nname = "bad"\nexec = "\xff\xfe"\n', ["%F:3:", "UTF-8"]),
    "wrong type": ('[service]\nname = "bad"\nexec = 7\n', ["%F:3:", "exec"]),
    "wrong type of a list": ('[service]\nname = "bad"\nexec = "true"\n[dependencies]\nafter = "good"\n', ["%F:5:", "after"]),
    "negative time": ('[service]\nname = "bad"\nexec = "true"\n[lifecycle]\nstop_timeout_ms = -1\n', ["%F:5:", "stop_timeout_ms"]),
    "unknown signal": ('[service]\nname = "bad"\nexec = "true"\n[lifecycle]\nstop_signal = "SIGTREM"\n',
                       ["%F:5:", "stop_signal", "SIGTERM"]),
    "unknown restart policy": ('[service]\nname = "bad"\nexec = "true"\n[lifecycle]\nrestart = "allways"\n',
                               ["%F:5:", "restart", "always"]),
    "no exec": ('[service]\nname = "bad"\n', ["%F", "exec"]),
    "empty exec": ('[service]\nname = "bad"\nexec = ""\n', ["%F:3:", "exec"]),
    "name with a slash": ('[service]\nname = "a/b"\nexec = "true"\n', ["%F:2:", "name"]),
    "empty file": ("", ["%F"]),
    "NUL byte": (b'[service]\nname = "bad"\nexec = "a\0b"\n', ["%F:3:"]),
    "deep nesting": ("[service]\nname = 'bad'\nexec = " + "[" * 5000 + "\n", ["%F"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_named_and_the_others_run(server, case):
    text, words = BAD[case]
    server.write("good.toml", GOOD)
    path = server.write("bad.toml", text)
    server.start()
    server.wait_state("good", "running")
    said = server.says(str(path))
    for word in words:
        assert word.replace("%F", str(path)) in said
    listed = server.cli("list")
    assert listed.returncode == 0
    assert any("bad" in line and "invalid" in line for line in listed.stdout.splitlines())
    assert any("good" in line and "running" in line for line in listed.stdout.splitlines())


def test_unknown_key_is_a_warning_with_a_suggestion(server):
    path = server.write("web.toml", '[service]\nname = "web"\nexec = "exec sleep 1000"\n[lifecycle]\nstop_timeuot_ms = 5\n')
    server.start()
    server.wait_state("web", "running")
    said = server.says(f"{path}:5:")
    assert "stop_timeuot_ms" in said and "stop_timeout_ms" in said


def test_empty_directory(server):
    server.start()
    assert server.rpc("service.list") == []
    result = server.cli("list")
    assert result.returncode == 0


def test_unreadable_file(server):
    for path in (server.dir, server.services, server.logs):
        os.chown(path, 65534, 65534)
    server.output.touch(mode=0o666)
    server.write("good.toml", GOOD)
    path = server.write("secret.toml", service_toml("secret", exec="true"))
    path.chmod(0)
    server.start(prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
    server.wait_state("good", "running")
    assert "Permission denied" in server.says(str(path))


@pytest.mark.parametrize("kind", ["fifo", "directory", "dangling link", "socket-like name"])
def test_what_is_no_file(server, kind):
    server.write("good.toml", GOOD)
    path = server.services / "odd.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    else:
        path = server.write("odd name!.toml", service_toml("odd name!", exec="true"))
    server.start()
    server.wait_state("good", "running")
    server.says(str(path))


def test_hidden_files_and_other_names_are_skipped(server):
    server.write("good.toml", GOOD)
    server.write(".hidden.toml", "garbage")
    server.write("notes.txt", "garbage")
    server.write("good.toml~", "garbage")
    server.start()
    server.wait_state("good", "running")
    assert len(server.rpc("service.list")) == 1
    for name in (".hidden", "notes", "good.toml~"):
        assert name not in server.diagnostics()


def test_file_larger_than_any_sane_one(server):
    server.write("good.toml", GOOD)
    path = server.write("huge.toml", "# " + "x" * (2 << 20) + "\n" + service_toml("huge", exec="true"))
    server.start()
    server.wait_state("good", "running")
    assert "large" in server.says(str(path)) or "big" in server.says(str(path))


def test_duplicate_name(server):
    """Two files that say the same name: the one whose stem it is wins, the other is named."""
    server.write("good.toml", GOOD)
    path = server.write("twin.toml", GOOD)
    server.start()
    server.wait_state("good", "running")
    assert "good" in server.says(str(path))


def test_dependency_on_nothing(server):
    server.add("web", "exec sleep 1000", requires=["dbb"])
    server.add("db", "exec sleep 1000")
    server.start()
    server.wait_state("db", "running")
    server.wait_state("web", "failed", "blocked")
    assert "dbb" in server.why("web")


def test_cycle_is_named_and_the_others_run(server):
    names = ["one", "two", "three", "four", "five"]
    for name, needs in zip(names, names[1:] + names[:1]):
        server.add(name, "exec sleep 1000", requires=[needs])
    server.add("narcissus", "exec sleep 1000", requires=["narcissus"])
    server.write("good.toml", GOOD)
    server.start()
    server.wait_state("good", "running")
    said = wait_for(lambda: "cycl" in server.diagnostics().lower() and server.diagnostics())
    assert " -> ".join(["one", "two", "three", "four", "five", "one"]) in said or all(name in said for name in names)
    assert "'narcissus' cannot depend on itself" in said


def test_missing_name_takes_the_stem(server):
    server.write("stem.toml", '[service]\nexec = "exec sleep 1000"\n')
    server.start()
    server.wait_state("stem", "running")


def test_name_that_is_not_the_file_s(server):
    """A warning, as in the reference: the name in the file counts."""
    path = server.write("web.toml", service_toml("other", exec="exec sleep 1000"))
    server.start()
    assert "other" in server.says(f"{path}:2:")
    server.wait_state("other", "running")


def test_the_list_shows_what_made_a_file_invalid(server):
    server.write("b.toml", '[service]\nname = "other"\nexec = "true"\nports = [70000]\n')
    server.start()
    shown = server.cli("list").stdout
    assert "service.ports" in shown and "but the file is called" not in shown
    assert "warn: " in server.says("but the file is called")
