# SPDX-License-Identifier: Apache-2.0
"""A server with bad manners, one kind of them per port: for health checks that must end all the same."""
import contextlib
import socket
import struct
import threading
import time

CHUNK = b"x" * 65536


def silent(conn, stop):
    stop.wait(60)


def drip(conn, stop):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not stop.wait(0.2):
        conn.sendall(b".")


def drip_headers(conn, stop):
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.wait(0.2):
        conn.sendall(b"X: y\r\n")


def endless_headers(conn, stop):
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.is_set():
        conn.sendall(b"X: " + CHUNK[:1000] + b"\r\n")


def gigabyte(conn, stop):
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    while not stop.is_set():
        conn.sendall(CHUNK)


def redirect(conn, stop):
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")


def reset(conn, stop):
    conn.recv(4096)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbage(conn, stop):
    conn.recv(4096)
    conn.sendall(b"\x16\x03\x01\x00\x00nonsense\x00\xff\r\n\r\n" * 10)


def hang_up(conn, stop):
    conn.recv(4096)


def fine(conn, stop):
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhealth")


def broken(conn, stop):
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 503 Down\r\nContent-Length: 4\r\n\r\ndown")


class Rude:
    """Serves one behaviour; `asked` is when each connection came."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.asked = []
        self.stop = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                conn, _ = self.listener.accept()
                self.asked.append(time.monotonic())
                threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn, contextlib.suppress(OSError):
            self.behaviour(conn, self.stop)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.listener.close()
