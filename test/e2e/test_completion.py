# SPDX-License-Identifier: Apache-2.0
"""The completion scripts, as a shell uses them."""
import subprocess

import pytest
from harness.server import binary


def complete(server, *words):
    """What bash would offer for the last of `words`."""
    script = subprocess.run([binary("zinit"), "completion", "bash"], capture_output=True, text=True, check=True).stdout
    quoted = " ".join(f"'{word}'" for word in words)
    run = f'{script}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n_zinit\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n'
    path = f"{binary('zinit').parent}:/usr/bin:/bin"
    result = subprocess.run(["bash", "-uc", run], capture_output=True, text=True, timeout=20,
                            env=server.environment({"PATH": path, "ZINIT_SOCKET": str(server.socket)}))
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_verbs_flags_and_values(server):
    assert complete(server, "zinit", "sta") == {"start", "start-all", "stats", "status"}
    assert "--follow" in complete(server, "zinit", "logs", "--")
    assert "--follow" not in complete(server, "zinit", "list", "--")
    assert complete(server, "zinit", "--color", "a") == {"auto", "always"}
    assert complete(server, "zinit", "-s", "/x", "logs", "-o", "r") == {"raw"}


def test_names_of_services(server):
    server.add("web", "exec sleep 1000")
    server.add("worker", "exec sleep 1000")
    server.add("db", "exec sleep 1000")
    server.start()
    assert complete(server, "zinit", "stop", "w") == {"web", "worker"}


def test_files_for_check(server):
    path = server.write("web.toml", "")
    assert complete(server, "zinit", "check", str(path)[:-3]) == {str(path)}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_know_every_verb(shell):
    script = subprocess.run([binary("zinit"), "completion", shell], capture_output=True, text=True, check=True).stdout
    for verb in ("start", "logs", "start-all", "completion"):
        assert verb in script
