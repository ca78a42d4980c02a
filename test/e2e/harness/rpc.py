# SPDX-License-Identifier: Apache-2.0
"""A JSON-RPC 2.0 client for tests: one connection, one object a line, answers by id, notifications in a queue."""
import collections
import json
import socket
import time

from .wait import SLOWNESS


class RpcError(Exception):
    """The server answered with an error."""

    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")
        self.message = error.get("message", "")
        self.data = error.get("data") or {}


class Rpc:
    """A connection; usable in `with`."""

    def __init__(self, path, timeout=10.0):
        self.timeout = timeout * SLOWNESS
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(self.timeout)
        self.socket.connect(str(path))
        self.pending = b""
        self.next_id = 0
        self.answers = {}
        self.notifications = collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def read_message(self, timeout=None):
        """The next object of the server; socket.timeout or EOFError if none comes."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout * SLOWNESS)
        while b"\n" not in self.pending:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                raise EOFError("the server closed the connection")
            self.pending += chunk
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def take(self, message):
        if isinstance(message, dict) and "method" in message:
            self.notifications.append(message)
        else:
            self.answers[message.get("id")] = message

    def call(self, method, params=None, timeout=None):
        self.next_id += 1
        request = {"jsonrpc": "2.0", "id": self.next_id, "method": method}
        if params is not None:
            request["params"] = params
        self.send_bytes(json.dumps(request).encode() + b"\n")
        while self.next_id not in self.answers:
            self.take(self.read_message(timeout))
        answer = self.answers.pop(self.next_id)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def notification(self, timeout=None):
        """The next notification, oldest first."""
        while not self.notifications:
            self.take(self.read_message(timeout))
        return self.notifications.popleft()
