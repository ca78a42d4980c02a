# SPDX-License-Identifier: Apache-2.0
"""Programs of the distribution, run unmodified: redis, nginx, postgresql, python's http.server."""
import pathlib
import pwd
import shutil
import socket
import subprocess
import urllib.request

import pytest
from harness import processes
from harness.wait import wait_for

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")

needs = {name: pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed") for name in
         ("redis-server", "nginx")}
needs_postgres = pytest.mark.skipif(not POSTGRES.exists(), reason="postgresql 15 is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def use(server, example, **replace):
    """Take the service files of examples/, with other ports so that tests can run side by side."""
    for path in sorted((EXAMPLES / example).glob("*.toml")):
        text = path.read_text()
        for old, new in replace.items():
            text = text.replace(old.strip("_"), str(new))
        server.write(path.name, text)


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def redis(port, *command):
    return subprocess.run(["redis-cli", "-p", str(port), *command], capture_output=True, text=True, timeout=10).stdout.strip()


@needs["redis-server"]
@needs["nginx"]
def test_the_shop(server):
    """What ./demo shows, and what it shows when the server is killed."""
    redis_port, http_port = free_port(), free_port()
    use(server, "shop", _16379=redis_port, _18080=http_port)
    server.start(env={"SHOP_DIR": str(server.dir / "shop"), "SHOP_SOURCE": str(EXAMPLES / "shop"),
                      "SHOP_REDIS_PORT": str(redis_port), "SHOP_HTTP_PORT": str(http_port)})
    server.wait_state("shop", "running", timeout=30)
    assert server.state("prepare") == "exited"
    server.wait_line("worker", "order 1 packed")
    server.wait_line("flaky", "segment of code lost", 20)
    wait_for(lambda: server.restarts("flaky") >= 1, 20)
    wait_for(lambda: "orders packed" in fetch(f"http://127.0.0.1:{http_port}/"))
    server.wait_line("nginx", "GET / HTTP")

    before = {name: server.pid(name) for name in ("redis", "nginx", "worker")}
    orders = int(redis(redis_port, "get", "orders"))
    server.kill_brain()
    assert {name: server.pid(name) for name in before} == before
    wait_for(lambda: int(redis(redis_port, "get", "orders")) > orders, 10)
    server.wait_line("worker", f"order {orders + 1} packed")
    packed = [int(line.split()[1]) for line in server.lines("worker")]
    assert packed == list(range(1, len(packed) + 1))

    assert server.shutdown() == 0
    lines = server.diagnostics()
    assert not [pid for pid in before.values() if processes.alive(pid)], lines


@needs["redis-server"]
def test_redis_saves_on_stop(server):
    port = free_port()
    command = ["/usr/bin/redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(server.dir), "--save", "900 1"]
    server.add("redis", command, health={"type": "tcp", "target": f"127.0.0.1:{port}", "interval_ms": 100})
    server.start()
    server.wait_state("redis", "running")
    assert redis(port, "set", "key", "value") == "OK"
    assert server.cli("restart", "redis").returncode == 0
    server.wait_state("redis", "running")
    assert redis(port, "get", "key") == "value"
    assert "Ready to accept connections" in server.wait_line("redis", "Ready to accept")


@needs_postgres
def test_postgresql(server):
    """As its own user, on a data directory that a oneshot makes; it survives SIGKILL and restarts with its data."""
    port = free_port()
    use(server, "postgresql", _15432=port)
    server.start(env={"PGDATA": str(server.dir / "pg")})
    server.wait_state("initdb", "exited", timeout=60)
    server.wait_state("postgresql", "running", timeout=30)
    owner = pwd.getpwnam("postgres").pw_uid
    pid = server.pid("postgresql")
    assert pathlib.Path(f"/proc/{pid}").stat().st_uid == owner

    def sql(command):
        return subprocess.run([POSTGRES / "psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-Atc", command],
                              capture_output=True, text=True, timeout=20).stdout.strip()

    assert sql("create table t as select 42 as answer") == "SELECT 1"
    processes.kill(pid)
    server.wait_pid("postgresql", other_than=pid, timeout=30)
    wait_for(lambda: sql("select answer from t") == "42", 30)
    assert server.restarts("postgresql") >= 1
    assert server.cli("stop", "postgresql").returncode == 0
    server.wait_line("postgresql", "database system is shut down")


def test_http_server(server):
    port = free_port()
    www = server.dir / "www"
    www.mkdir()
    (www / "index.html").write_text("hello")
    use(server, "http", _18000=port, **{"_/tmp/zinit-http": www})
    server.start()
    server.wait_state("http", "running")
    wait_for(lambda: fetch(f"http://127.0.0.1:{port}/") == "hello")
    server.wait_line("http", "GET / HTTP")
    assert server.cli("stop", "http").returncode == 0
    assert server.state("http") in ("exited", "inactive")
