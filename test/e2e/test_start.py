# SPDX-License-Identifier: Apache-2.0
"""Starting the server: options, and everything that can be wrong with socket, directories and settings."""
import os
import socket
import stat
import subprocess

import pytest
from harness.server import binary
from harness.wait import wait_for

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def run(program, *arguments):
    return subprocess.run([str(binary(program)), *arguments], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("program", ["zinit-server", "zinit"])
def test_version_and_help(program):
    version = run(program, "--version")
    assert version.returncode == 0
    assert version.stdout.startswith(program) and version.stdout.count("\n") == 1
    usage = run(program, "--help")
    assert usage.returncode == 0
    assert "--socket" in usage.stdout and usage.stderr == ""


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--log-level", "loud"], ["-c"], ["surplus"]])
def test_wrong_option_is_a_usage_error(arguments):
    result = run("zinit-server", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "zinit-server: " in result.stderr


def test_first_start(server):
    server.start()
    assert stat.S_IMODE(os.stat(server.socket).st_mode) == 0o600
    assert server.rpc("system.ping")["version"]
    assert server.rpc("service.list") == []
    assert server.brain()
    assert server.shutdown() == 0
    assert not server.socket.exists()


def test_missing_directory(server):
    server.services.rmdir()
    code, said = server.refuses_to_start()
    assert code == 1
    assert str(server.services) in said and "No such file or directory" in said


def test_directory_that_is_a_file(server):
    server.services.rmdir()
    server.services.write_text("")
    code, said = server.refuses_to_start()
    assert code == 1
    assert str(server.services) in said and "Not a directory" in said


def test_socket_path_too_long(server):
    path = server.dir / ("s" * 120)
    code, said = server.refuses_to_start("-s", path)
    assert code == 1
    assert "bytes long" in said and "107" in said


def test_socket_in_a_missing_directory(server):
    code, said = server.refuses_to_start("-s", server.dir / "nowhere" / "sock")
    assert code == 1
    assert "nowhere" in said and "No such file or directory" in said


def test_socket_of_a_live_server_is_refused(server, make_server):
    server.add("web", "exec sleep 1000")
    server.start()
    pid = server.wait_pid("web")
    second = make_server()
    code, said = second.refuses_to_start("-s", server.socket)
    assert code == 1
    assert str(server.socket) in said and "already listening" in said
    assert server.rpc("system.ping") and server.pid("web") == pid


def test_stale_socket_is_replaced(server):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(server.socket))
        stale.listen()
    server.start()
    assert server.rpc("system.ping")


def test_a_file_in_place_of_the_socket_is_left_alone(server):
    server.socket.write_text("precious")
    code, said = server.refuses_to_start()
    assert code != 0
    assert str(server.socket) in said
    assert server.socket.read_text() == "precious"


def test_no_permission_to_bind(server):
    locked = server.dir / "locked"
    locked.mkdir(mode=0o755)
    server.output.touch(mode=0o666)
    code, said = server.refuses_to_start("-s", locked / "sock", prefix=NOBODY)
    assert code == 1
    assert str(locked / "sock") in said and "Permission denied" in said


def test_second_server_on_one_log_directory_is_refused(server, make_server):
    server.add("web", "exec sleep 1000")
    server.start()
    second = make_server()
    second.settings.write_text(server.settings.read_text())
    code, said = second.refuses_to_start()
    assert code == 1
    assert str(server.logs) in said
    assert server.rpc("system.ping")


def test_broken_settings_are_named_by_line(server):
    server.settings.write_text("[server]\nlog_level = 7\n")
    code, said = server.refuses_to_start()
    assert code == 1
    assert f"{server.settings}:2:" in said


def test_plain_user(server):
    """Everything works for a user without rights."""
    for path in (server.dir, server.services, server.logs):
        os.chown(path, 65534, 65534)
    server.output.touch(mode=0o666)
    server.add("whoami", "id -u; exec sleep 1000")
    server.start(prefix=NOBODY)
    server.wait_state("whoami", "running")
    assert server.wait_line("whoami", "65534")


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_signal_stops_everything(server, name):
    import signal
    server.add("web", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done")
    server.start()
    server.wait_state("web", "running")
    server.process.send_signal(getattr(signal, f"SIG{name}"))
    assert server.process.wait(20) == 0
    wait_for(lambda: not server.leftovers(), 5, "nothing is left")
