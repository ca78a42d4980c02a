# SPDX-License-Identifier: Apache-2.0
"""A zinit server of one test: own directories, own socket, real binaries; nothing may be left when it ends."""
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import uuid

import pytest

from . import processes
from .rpc import Rpc, RpcError
from .wait import SLOWNESS, wait_for

BUILD = pathlib.Path(os.environ.get("ZINIT_BUILD", pathlib.Path(__file__).parents[3] / "build"))

SECTIONS = {
    "dependencies": "requires after wants conflicts",
    "lifecycle": "restart restart_delay_ms restart_delay_max_ms restart_jitter max_restarts stability_period_ms "
                 "start_timeout_ms stop_timeout_ms stop_signal stop_command reload_signal reload_command kill_mode success_exit_codes pre_start post_stop "
                 "on_dependency_crash schedule schedule_overlap schedule_missed",
    "logging": "buffer_lines buffer_bytes max_line store stdout stderr on_full max_size max_files",
}
SECTION_OF = {key: section for section, keys in SECTIONS.items() for key in keys.split()}


def binary(name):
    for folder in ("src/server", "src/keeper", "src/worker", "src/cli", "test/soak", "test/upgrade", "test/receivers", "bin", "."):
        path = BUILD / folder / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"no {name} below {BUILD}: build it, or set ZINIT_BUILD")


@functools.cache
def can_unshare():
    return subprocess.run(["unshare", "-m", "-p", "-f", "true"], capture_output=True).returncode == 0


def toml_value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def service_toml(name, health=None, target=False, **keys):
    """A service file. Keys go to the section they belong to."""
    sections = {"target" if target else "service": {"name": name}, "dependencies": {}, "lifecycle": {}, "logging": {}}
    for key, value in keys.items():
        sections[SECTION_OF.get(key, "service")][key] = value
    if health:
        sections["health"] = health
    lines = []
    for section, content in sections.items():
        if content:
            lines.append(f"[{section}]")
            lines += [f"{key} = {toml_value(value)}" for key, value in content.items()]
    return "\n".join(lines) + "\n"


def flat(status):
    """A status with what stands nested under `state`, and `exit_code` of a failure too, beside its name."""
    state = status.get("state")
    if isinstance(state, dict):
        reason = state.get("reason")
        code = reason.get("code") if isinstance(reason, dict) else None
        status = {**status, "exit_code": code, **state}
    return status


def line(entry):
    """A log line of the API: `line` is its text, `timestamp` its time in nanoseconds."""
    return {**entry, "line": entry.get("content"), "timestamp": entry.get("timestamp_ns")}


class Server:
    def __init__(self):
        # Not pytest's tmp_path: the path of a unix socket has at most 107 bytes.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="zinit-e2e-"))
        self.dir.chmod(0o755)
        self.services = self.dir / "services"
        self.logs = self.dir / "log"
        self.socket = self.dir / "sock"
        self.settings = self.dir / "zinit.toml"
        self.output = self.dir / "server.out"
        self.marker = f"ZINIT_E2E={uuid.uuid4()}"
        self.services.mkdir()
        self.logs.mkdir()
        self.settings.write_text(f"[log]\ndir = {json.dumps(str(self.logs))}\n")
        self.process = None
        self.finished = False

    # --- files ---------------------------------------------------------------------------------

    def add(self, name, exec=None, **keys):
        """Write a service file (before start(), or for a reload)."""
        if exec is not None:
            keys["exec"] = exec
        return self.write(f"{name}.toml", service_toml(name, **keys))

    def write(self, file, text):
        path = self.services / file
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text)
        return path

    # --- the server ----------------------------------------------------------------------------

    def environment(self, extra=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("ZINIT_")}
        key, _, value = self.marker.partition("=")
        env[key] = value
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            env[name] = f"{env.get(name, '')}:log_path={self.dir}/sanitizer"
        env.update(extra or {})
        return env

    def command(self, *arguments):
        return [str(binary("zinit-server")), "-c", str(self.services), "-s", str(self.socket),
                "--settings", str(self.settings), *map(str, arguments)]

    def copied(self, *names):
        """Copies of programs where every user may reach them, which a build directory need not be. The first one's path."""
        place = self.dir / "bin"
        place.mkdir(exist_ok=True)
        for name in names:
            shutil.copy2(binary(name), place / name)
        return place / names[0]

    def spawn(self, *arguments, env=None, prefix=()):
        """Start the server and do not wait for it. `prefix`: a command before it, which makes it another user."""
        command = self.command(*arguments)
        if prefix and prefix[0] == "unshare" and not can_unshare():
            pytest.skip("no namespaces of our own here")
        if prefix:
            command[0] = str(self.copied("zinit-server", "zinit-keeper", "zinit-prober"))
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen([*prefix, *command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, env=self.environment(env), start_new_session=True)
        return self.process

    def start(self, *arguments, **options):
        self.spawn(*arguments, **options)
        wait_for(self.answers, 10, "the socket answers")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.diagnostics()}")
        try:
            return self.rpc("system.ping")
        except (OSError, EOFError):
            return None

    def refuses_to_start(self, *arguments, timeout=10, **options):
        """Start the server, which must end by itself. Returns (exit code, what it said)."""
        self.spawn(*arguments, **options)
        code = self.process.wait(timeout * SLOWNESS)
        return code, self.diagnostics()

    def diagnostics(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def says(self, *words, timeout=5):
        """Wait for a line of the server's own diagnostics that holds all of `words`; return it."""
        def found():
            lines = self.diagnostics().splitlines()
            return next((line for line in lines if all(word in line for word in words)), None)
        return wait_for(found, timeout, f"a line with {words} in:\n{self.diagnostics()}")

    @property
    def keeper(self):
        return self.process.pid

    def brain(self):
        """Pid of the server proper, or None while there is none."""
        for pid in processes.children(self.keeper):
            if processes.is_brain(pid):
                return pid
        return None

    def kill_brain(self):
        """kill -9 of the server; returns when another one answers. Returns its pid."""
        old = wait_for(self.brain)
        processes.kill(old)
        new = wait_for(lambda: (pid := self.brain()) and pid != old and pid, 10, "a new server")
        wait_for(self.answers, 10, "the new server answers")
        return new

    # --- asking --------------------------------------------------------------------------------

    def connect(self, timeout=10.0):
        return Rpc(self.socket, timeout)

    def rpc(self, method, params=None, timeout=10.0):
        with self.connect(timeout) as connection:
            return connection.call(method, params)

    def cli(self, *arguments, timeout=30, env=None, **options):
        return subprocess.run([str(binary("zinit")), "-s", str(self.socket), *map(str, arguments)], capture_output=True,
                              text=options.pop("text", True), stdin=subprocess.DEVNULL, timeout=timeout * SLOWNESS,
                              env=self.environment(env), **options)

    def cli_start(self, *arguments, **options):
        """A CLI process that goes on: `logs -f`."""
        return subprocess.Popen([str(binary("zinit")), "-s", str(self.socket), *map(str, arguments)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=self.environment(), **options)

    def status(self, name):
        return flat(self.rpc("service.status_full", {"name": name}))

    def all(self):
        """Status of every service, by name."""
        return {entry["name"]: flat(entry) for entry in self.rpc("service.list_full", {"invalid": True})}

    def state(self, name):
        return self.status(name)["state"]

    def pid(self, name):
        return self.status(name).get("pid") or 0

    def restarts(self, name):
        return self.status(name)["restart_count"]

    def wait_state(self, name, *states, timeout=10):
        return wait_for(lambda: (state := self.state(name)) in states and state, timeout, f"{name} is {' or '.join(states)}")

    def wait_pid(self, name, other_than=0, timeout=10):
        return wait_for(lambda: (pid := self.pid(name)) != other_than and pid, timeout, f"{name} has a new pid")

    def why(self, name):
        """All that `why` says, as one text."""
        return self.cli("why", name).stdout

    def transitions(self, cursor):
        """All changes of state after that event number: ([(service, from, to), …], the last number)."""
        with self.connect() as now, self.connect() as old:
            last = now.call("events.subscribe")["cursor"]
            found = []
            old.call("events.subscribe", {"cursor": cursor})
            while cursor < last:
                message = old.notification()["params"]
                assert not message.get("lost"), message
                found += message.get("events", [])
                cursor = message["cursor"]
        return [(e["service"], e["from"], e["to"]) for e in found if e["kind"] == "state"], cursor

    def log(self, name, lines=None):
        """Entries of the log, oldest first."""
        params = {"name": name, "lines": 1 << 31 if lines is None else lines}
        return [line(entry) for entry in self.rpc("logs.tail", params)]

    def lines(self, name):
        return [entry["line"] for entry in self.log(name)]

    def wait_line(self, name, text, timeout=10):
        return wait_for(lambda: next((line for line in self.lines(name) if text in line), None), timeout,
                        f"{name} printed {text!r}")

    # --- the end -------------------------------------------------------------------------------

    def shutdown(self, timeout=30):
        """Stop everything in order; returns the exit code."""
        if self.process.poll() is None:
            try:
                self.rpc("system.shutdown")
            except (OSError, EOFError, RpcError):
                self.process.terminate()
            self.process.wait(timeout * SLOWNESS)
        return self.process.returncode

    def leftovers(self):
        return processes.marked(self.marker.encode()) + processes.marked(str(self.dir).encode())

    def clean_up(self):
        """End whatever is left, and say what was wrong: a list of sentences."""
        problems = []
        if self.process and self.process.poll() is None:
            try:
                self.shutdown()
            except subprocess.TimeoutExpired:
                problems.append("shutdown did not end")
        left = set()
        try:
            wait_for(lambda: not self.leftovers(), 2)
        except AssertionError:
            left = set(self.leftovers())
            problems += [f"left behind: pid {pid}: {processes.command(pid)}" for pid in sorted(left)]
        if self.process:
            processes.kill(self.process.pid, signal.SIGKILL) if self.process.poll() is None else None
        for pid in left:
            processes.kill(pid)
        if self.process:
            self.process.wait()
        for report in self.dir.glob("sanitizer*"):
            problems.append(f"sanitizer report:\n{report.read_text(errors='replace')}")
        return problems

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
