# SPDX-License-Identifier: Apache-2.0
"""Making the server's calls fail: the file that test/soak/faults.c reads."""
import contextlib
import errno
import mmap
import struct

from .server import binary

FORMAT = "iiiiqqqq"
KINDS = {"memory": 1, "fd": 2, "map": 3, "write": 4, "read": 5, "send": 6, "epoll": 7}
FOR_EVER = 1 << 60


class Faults:
    """What fails in one server. Give its environment to Server.start()."""

    def __init__(self, server):
        self.server = server
        self.path = server.dir / "faults"
        self.path.write_bytes(bytes(struct.calcsize(FORMAT)))
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), struct.calcsize(FORMAT))

    def environment(self):
        return {"LD_PRELOAD": str(binary("faults.so")), "ZINIT_FAULTS": str(self.path)}

    def write(self, kind, error, first, count):
        struct.pack_into(FORMAT, self.map, 0, self.server.brain() or 0, kind, error, 0, first, count, 0, 0)

    @property
    def seen(self):
        """Calls of that kind since then."""
        return struct.unpack_from(FORMAT, self.map)[6]

    @property
    def failed(self):
        return struct.unpack_from(FORMAT, self.map)[7]

    @contextlib.contextmanager
    def failing(self, kind, error, first=0, count=FOR_EVER):
        """Calls of that kind fail, from the `first` on (0: the next one), `count` of them."""
        self.write(KINDS[kind], getattr(errno, error), first, count)
        try:
            yield self
        finally:
            struct.pack_into("i", self.map, 4, 0)
