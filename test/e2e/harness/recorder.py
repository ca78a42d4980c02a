# SPDX-License-Identifier: Apache-2.0
"""A receiver of newline-delimited JSON that keeps what it got, and misbehaves on demand: one answer after the other."""
import contextlib
import gzip
import http.server
import json
import socket
import struct
import threading
import zlib


class Recorder:
    """`script` gets the number of the request (from 0) and its records, and returns an answer:
    a status; (status, headers); "reset", "close", "half", or "hang" (until the recorder stops, or let_go())."""

    def __init__(self, script=None, port=0):
        self.script = script or (lambda number, records: 200)
        self.requests = []   # of each, its records
        self.stored = []     # records of the requests that were answered with 2xx
        self.headers = []
        self.connections = set()
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.number = 0
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                with recorder.lock:
                    recorder.connections.add(self.connection)

            def finish(self):
                with recorder.lock:
                    recorder.connections.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def do_POST(self):
                recorder.handle(self)

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.server = Listener(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def handle(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        elif request.headers.get("Content-Encoding") == "deflate":
            body = zlib.decompress(body)
        records = [json.loads(line) for line in body.splitlines() if line]
        with self.lock:
            number = self.number
            self.number += 1
            self.requests.append(records)
            self.headers.append(dict(request.headers))
            answer = self.script(number, records)
            status = answer[0] if isinstance(answer, tuple) else answer
            if isinstance(status, int) and 200 <= status < 300:
                self.stored += records
        if isinstance(status, str):
            self.misbehave(request, status)
            return
        request.send_response(status)
        for name, value in (answer[1] if isinstance(answer, tuple) else {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def misbehave(self, request, how):
        request.close_connection = True
        if how == "hang":
            self.released.wait()
        elif how == "half":
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        elif how == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()

    def let_go(self):
        self.released.set()

    def texts(self, service=None):
        """What was stored, in order; gap records left out."""
        with self.lock:
            return [r["content"] for r in self.stored if "lost" not in r and service in (None, r["service"])]

    def gaps(self, service=None):
        with self.lock:
            return [r for r in self.stored if "lost" in r and service in (None, r["service"])]

    def stop(self):
        self.let_go()
        self.server.shutdown()
        self.server.server_close()
        with self.lock:  # a connection that is kept alive would go on being served
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def recorder(script=None, port=0):
    it = Recorder(script, port)
    try:
        yield it
    finally:
        it.stop()
