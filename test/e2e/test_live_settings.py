# SPDX-License-Identifier: Apache-2.0
"""Settings of zinit.toml that a reload takes over."""
import time

from harness.wait import wait_for


def reload_with(server, server_table="", log_table=""):
    server.settings.write_text(f'[server]\n{server_table}\n[log]\ndir = "{server.logs}"\n{log_table}\n')
    if server.process:
        assert server.cli("reload").returncode == 0


def test_log_level(server):
    reload_with(server, 'log_level = "error"')
    server.start()
    server.cli("reload")
    assert "audit" not in server.diagnostics()
    reload_with(server, 'log_level = "info"')
    server.cli("start-all")
    server.says("audit", "service.start_all")


def test_shutdown_timeout(server):
    server.add("stubborn", "trap '' TERM; echo up; while :; do sleep 0.05; done", stop_timeout_ms=600000)
    server.start()
    server.wait_line("stubborn", "up")
    reload_with(server, "shutdown_timeout_ms = 300")
    began = time.monotonic()
    server.shutdown()
    assert time.monotonic() - began < 20


def size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # deleted since it was listed


def stored(server):
    return sum(map(size, (server.logs / "many").glob("*")))


def test_max_total(server):
    server.write("many.toml", '[service]\nexec = "seq 10000; exec sleep 1000"\n'
                 '[logging]\nmax_size = 4096\nmax_files = 1000\ncompress = "none"\n')
    server.start()
    wait_for(lambda: stored(server) > 100000, 20)
    reload_with(server, log_table="max_total = 20000")
    assert server.cli("restart", "many").returncode == 0
    wait_for(lambda: stored(server) < 40000, 20)
