# SPDX-License-Identifier: Apache-2.0
"""Looking at processes through /proc."""
import os
import pathlib
import signal

PROC = pathlib.Path("/proc")


def read(pid, name):
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def stat(pid):
    """Fields of /proc/PID/stat after the command name: state, ppid, pgrp, session, …; None if there is no such process."""
    text = read(pid, "stat").decode(errors="replace")
    return text.rpartition(")")[2].split() or None


def alive(pid):
    """Is there such a process, zombies not counted?"""
    fields = stat(pid)
    return bool(fields) and fields[0] not in "ZX"


PF_FORKNOEXEC = 0x40


def is_brain(pid):
    """Is it the server proper? A process that it is starting looks the same until its execve(2), but for this flag."""
    fields = stat(pid)
    return (bool(fields) and fields[0] not in "ZX" and not int(fields[6]) & PF_FORKNOEXEC
            and b"--brain" in (words := read(pid, "cmdline").split(b"\0")) and words[0].endswith(b"zinit-server"))


def command(pid):
    return read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def all_pids():
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]


def children(pid):
    return [p for p in all_pids() if (fields := stat(p)) and int(fields[1]) == pid]


def marked(marker):
    """Live processes that carry `marker` in their environment or command line."""
    found = []
    for pid in all_pids():
        if pid != os.getpid() and alive(pid) and (marker in read(pid, "environ") or marker in read(pid, "cmdline")):
            found.append(pid)
    return found


def cpu_seconds(pid):
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
