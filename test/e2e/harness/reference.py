# SPDX-License-Identifier: Apache-2.0
"""Runs the server and the client of zinit 0.3.9, where somebody put them at hand: $ZINIT_REFERENCE is their directory."""
import os
import pathlib
import shlex
import shutil
import signal
import subprocess

import pytest

from . import processes
from .wait import SLOWNESS, wait_for


def binaries():
    """The directory of zinit-server and zinit 0.3.9; skips the test where there is none."""
    folder = os.environ.get("ZINIT_REFERENCE")
    if not folder or not (pathlib.Path(folder) / "zinit-server").is_file():
        pytest.skip("zinit 0.3.9 is not at hand: set ZINIT_REFERENCE to the directory of its programs")
    if pathlib.Path("/run/zinit.sock").exists():
        pytest.skip("a zinit of this machine owns /run/zinit.sock, where the reference's client would go")
    return folder


def client(folder, home, *arguments, timeout=30):
    """Run the reference's CLI. It looks for the socket at $HOME/hero/var/zinit.sock, whatever it is told."""
    return subprocess.run([f"{folder}/zinit", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=timeout * SLOWNESS, env={**os.environ, "HOME": str(home)})


class Screen:
    """Its terminal interface in a terminal of tmux. It looks at $HOME/.zinit/socket alone, where not even its own server listens."""

    def __init__(self, folder, home, server_socket):
        (home / ".zinit").mkdir()
        (home / ".zinit/socket").symlink_to(server_socket)
        if not shutil.which("tmux"):
            pytest.skip("tmux is not at hand")
        self.base = ["tmux", "-S", f"{home}/tmux"]
        command = f"HOME={shlex.quote(str(home))} exec {shlex.quote(folder)}/zinit tui"
        subprocess.run([*self.base, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", command], check=True, timeout=20)

    def text(self):
        return subprocess.run([*self.base, "capture-pane", "-p"], capture_output=True, text=True, timeout=20).stdout

    def keys(self, *names):
        subprocess.run([*self.base, "send-keys", *names], check=True, timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([*self.base, "kill-server"], capture_output=True, timeout=20)


class Reference:
    """Its server with a home of its own."""

    def __init__(self, binaries, home, files):
        self.home = pathlib.Path(home)
        self.services = self.home / "hero/cfg/zinit"
        self.socket = self.home / "hero/var/zinit.sock"
        self.binaries = binaries
        self.process = None
        self.services.mkdir(parents=True)
        self.socket.parent.mkdir(parents=True)
        for name, text in files.items():
            (self.services / f"{name}.toml").write_text(text)

    def __enter__(self):
        with open(self.home / "server.out", "wb") as out:
            self.process = subprocess.Popen([f"{self.binaries}/zinit-server"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env={**os.environ, "HOME": str(self.home)}, start_new_session=True)
        wait_for(self.socket.exists, 10, "the reference's socket")
        return self

    def __exit__(self, *_):
        # Its services outlive it, each in a group of its own and with our directory in its environment.
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in processes.marked(f"HOME={self.home}".encode()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
