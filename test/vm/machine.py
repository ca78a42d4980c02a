# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with a kernel of Debian's and nothing but our programs: an initramfs made here, results on the serial line."""
import glob
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness.server import binary  # noqa: E402

PROGRAMS = ("zinit-server", "zinit-keeper", "zinit")
APPLETS = "sh mount umount mkdir cat sleep kill grep sed head tail tr chown start-stop-daemon mkfifo reboot setsid ls cp rm sync awk wc seq touch".split()
TIMEOUT = 240


def kernel():
    """The newest one of /boot that may be read, or None."""
    found = sorted(path for path in glob.glob("/boot/vmlinuz-*") if os.access(path, os.R_OK))
    return found[-1] if found else None


def missing():
    """What stands against it, or ""."""
    if os.uname().machine != "x86_64":
        return "only for x86_64"
    if not shutil.which("qemu-system-x86_64"):
        return "needs qemu-system-x86"
    if not kernel():
        return "needs a kernel in /boot (linux-image-cloud-amd64)"
    return "" if pathlib.Path("/bin/busybox").exists() else "needs busybox-static"


def libraries(programs):
    """All shared objects that these need."""
    text = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return sorted(set(re.findall(r"(/\S+)", "\n".join(line for line in text.splitlines() if not line.endswith(":")))))


class Archive:
    """A cpio archive in the "newc" format, which the kernel unpacks as its first file system."""

    def __init__(self):
        self.parts = []
        self.made = {"/"}

    def add(self, name, data, mode):
        name = name.strip("/").encode() + b"\0"
        fields = [len(self.parts) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.parts.append(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    def directory(self, path):
        if path not in self.made:
            self.directory(os.path.dirname(path))
            self.made.add(path)
            self.add(path, b"", stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o755):
        self.directory(os.path.dirname(path))
        self.add(path, data, stat.S_IFREG | mode)

    def link(self, path, target):
        self.directory(os.path.dirname(path))
        self.add(path, target.encode(), stat.S_IFLNK | 0o777)

    def bytes(self):
        self.add("TRAILER!!!", b"", 0)
        return b"".join(self.parts)


def initramfs():
    archive = Archive()
    programs = [str(binary(name)) for name in PROGRAMS]
    for path in programs:
        archive.file("/bin/" + os.path.basename(path), pathlib.Path(path).read_bytes())
    for path in libraries(programs):
        archive.file(path, pathlib.Path(path).read_bytes())
    archive.file("/bin/busybox", pathlib.Path("/bin/busybox").read_bytes())
    for applet in APPLETS:
        archive.link("/bin/" + applet, "busybox")
    for folder in ("/proc", "/sys", "/dev", "/tmp", "/run", "/var/log", "/etc"):
        archive.directory(folder)
    archive.file("/etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", 0o644)
    archive.file("/etc/group", b"root:x:0:\nuser:x:1000:\n", 0o644)
    archive.file("/init", (HERE / "inside.sh").read_bytes())
    return archive.bytes()


def run(folder):
    """Boot, and return what the machine wrote."""
    image = folder / "initramfs"
    image.write_bytes(initramfs())
    # not KVM: where it is itself inside a virtual machine, it may hang
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-kernel", kernel(), "-initrd", str(image), "-m", "512", "-smp", "1", "-nographic", "-no-reboot",
               "-nodefaults", "-serial", "stdio", "-append", "console=ttyS0 quiet panic=-1 loglevel=1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)
    return done.stdout.decode(errors="replace").replace("\r", "")
