# SPDX-License-Identifier: Apache-2.0
"""A receiver that notes all it gets and fails as it is told: HTTP(S) on TCP or a unix socket, or syslog frames on TCP or TLS.

    recorder = Recorder()                                   # starts at once, on a port of its own
    recorder.script(Answer(503), Reset(), Answer(413))      # the next three requests; then 200 again
    recorder.rule = lambda request: Answer(413) if len(request.body) > 1000 else None      # for all of them
    recorder.down(); recorder.up()                          # connection refused, and back on the same port
    recorder.wait(lambda: recorder.lines("web")[-1:] == ["line 99"])

Of a request that is answered with 2xx the records count as stored; `lines()` gives their texts, `doubles()` what came twice.
"""
import collections
import ctypes
import ctypes.util
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib

HEAD_MAX = 1 << 20


# --- what can be done with a request ---------------------------------------------------------------

class Answer:
    """Status, headers, body. `drip`: one byte each so many seconds. `cut`: close after so many bytes of the answer."""

    def __init__(self, status=200, body=b"", headers=None, cut=None, drip=0.0, wait=None):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = dict(headers or {})
        self.cut = cut
        self.drip = drip
        self.wait = wait            # an Event to wait for before anything is sent

    def bytes(self):
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        length = "" if self.status in (204, 304) else f"Content-Length: {len(self.body)}\r\n"
        return f"HTTP/1.1 {self.status} X\r\n{head}{length}\r\n".encode() + (b"" if self.status in (204, 304) else self.body)


class Reset:
    """The connection is reset (RST), `stored` says whether the request counts as taken before."""

    def __init__(self, stored=False):
        self.stored = stored


class Close:
    """The connection is closed without an answer; `stored` as for Reset."""

    def __init__(self, stored=False):
        self.stored = stored


class Hang:
    """Nothing is answered, or the headers alone, until the client goes or the recorder ends."""

    def __init__(self, headers=False, stored=False):
        self.headers = headers
        self.stored = stored


class Request:
    def __init__(self, method, path, headers, raw):
        self.method = method
        self.path = path
        self.headers = headers      # names in lower case
        self.raw = raw
        self.body = decode(raw, headers.get("content-encoding", ""))
        self.status = None          # what it was answered with; None: not answered
        self.stored = False
        self.time = time.monotonic()

    def __repr__(self):
        return f"<{self.method} {self.path} {len(self.body)} bytes -> {self.status}>"

    def records(self):
        return parse(self)


# --- bodies ---------------------------------------------------------------------------------------

def unzstd(raw):
    library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    library.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
    library.ZSTD_decompress.restype = ctypes.c_size_t
    size = library.ZSTD_getFrameContentSize(raw, ctypes.c_size_t(len(raw)))
    assert size < 1 << 30, "a frame without its size"
    out = ctypes.create_string_buffer(size or 1)
    got = library.ZSTD_decompress(out, ctypes.c_size_t(size), raw, ctypes.c_size_t(len(raw)))
    assert got == size, "not zstd"
    return out.raw[:size]


def decode(raw, encoding):
    decoders = {"": lambda b: b, "identity": lambda b: b, "gzip": lambda b: zlib.decompress(b, 31),
                "deflate": zlib.decompress, "zstd": unzstd}
    return decoders[encoding](raw)


Record = collections.namedtuple("Record", "service text id gap raw")


def record(entry):
    """A record of NDJSON (ours), or of _bulk."""
    if "message" in entry:
        zinit = entry["zinit"]
        return Record(entry["service"]["name"], entry["message"], zinit["id"], "lost" in zinit, entry)
    return Record(entry["service"], entry["content"], entry["id"], "lost" in entry, entry)


def parse_loki(body):
    for stream in body["streams"]:
        for value in stream["values"]:
            more = value[2] if len(value) > 2 else {}
            yield Record(stream["stream"]["service_name"], value[1], more.get("id"), "lost" in more, value)


def attributes(entry):
    return {a["key"]: next(iter(a["value"].values())) for a in entry["attributes"]}


def parse_otlp(body):
    for resource in body["resourceLogs"]:
        service = attributes(resource["resource"])["service.name"]
        for entry in resource["scopeLogs"][0]["logRecords"]:
            more = attributes(entry)
            yield Record(service, entry["body"]["stringValue"], more["log.record.uid"], "zinit.lost" in more, entry)


def parse_splunk(entry):
    fields = entry["fields"]
    return Record(fields["service"], entry["event"], fields["id"], "lost" in fields, entry)


def parse(request):
    """The records of a body, whatever the format."""
    try:
        whole = json.loads(request.body)
    except ValueError:
        whole = None
    if isinstance(whole, list):
        return [record(entry) for entry in whole]
    if isinstance(whole, dict) and "streams" in whole:
        return list(parse_loki(whole))
    if isinstance(whole, dict) and "resourceLogs" in whole:
        return list(parse_otlp(whole))
    entries = [json.loads(line) for line in request.body.split(b"\n") if line]
    return [parse_splunk(e) if "event" in e else record(e) for e in entries if "create" not in e]


SYSLOG = re.compile(rb"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (\[(?:[^\]\\\"]|\\.|\"(?:[^\"\\]|\\.)*\")*\])(?: (.*))?", re.S)


def parse_syslog(message):
    match = SYSLOG.fullmatch(message)
    assert match, message
    params = dict(re.findall(rb" (\w+)=\"((?:[^\"\\]|\\.)*)\"", match[7]))
    return Record(match[4].decode(), (match[8] or b"").decode(errors="surrogateescape"), params[b"id"].decode(),
                  b"lost" in params, message)


# --- the recorder ---------------------------------------------------------------------------------

def certificate(directory):
    """A certificate for localhost that signs itself: (file, key)."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    return cert, key


class Recorder:
    def __init__(self, mode="http", tls=None, client_ca=None, unix=None, family=socket.AF_INET):
        """`mode`: http or syslog. `tls`: (certificate, key). `client_ca`: clients must show a certificate of it."""
        self.mode = mode
        self.tls = tls
        self.client_ca = client_ca
        self.unix = unix
        self.family = family
        self.port = 0
        self.rule = lambda request: None
        self.requests = []
        self.messages = []          # records of syslog, in order
        self.connections = 0
        self.cut_after = None       # syslog: reset the connection after so many bytes
        self.stopped = threading.Event()
        self._script = collections.deque()
        self._changed = threading.Condition()
        self._open = set()
        self._listener = None
        self.up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # --- up and down ---------------------------------------------------------------------------

    def up(self):
        if self.unix:
            if os.path.exists(self.unix):
                os.unlink(self.unix)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self.unix))
        else:
            listener = socket.socket(self.family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("::1" if self.family == socket.AF_INET6 else "127.0.0.1", self.port))
            self.port = listener.getsockname()[1]
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self):
        """From now on connections are refused, and those that are open are reset."""
        listener, self._listener = self._listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._changed:
            connections = list(self._open)
        for connection in connections:
            abort(connection)

    def stop(self):
        self.stopped.set()
        self.down()

    @property
    def endpoint(self):
        scheme = {"http": ("http", "https"), "syslog": ("tcp", "tls")}[self.mode][bool(self.tls)]
        return f"{scheme}://{'[::1]' if self.family == socket.AF_INET6 else '127.0.0.1'}:{self.port or 80}"

    # --- what is asked of it -------------------------------------------------------------------

    def script(self, *faults):
        with self._changed:
            self._script.extend(faults)

    def wait(self, predicate, timeout=20.0, what="what the recorder has"):
        """Wait until `predicate` is true; it is looked at whenever something came."""
        deadline = time.monotonic() + timeout * float(os.environ.get("ZINIT_SLOWNESS", "1"))
        with self._changed:
            while not (answer := predicate()):
                left = deadline - time.monotonic()
                assert left > 0, f"not within {timeout} s: {what}; {len(self.requests)} requests, the last: {self.requests[-3:]}"
                self._changed.wait(min(left, 1.0))
        return answer

    def stored(self):
        """All records of requests that were taken, in order."""
        if self.mode == "syslog":
            return list(self.messages)
        return [entry for request in self.requests if request.stored for entry in request.records()]

    def lines(self, service=None):
        return [r.text for r in self.stored() if not r.gap and service in (None, r.service)]

    def gaps(self, service=None):
        return [r for r in self.stored() if r.gap and service in (None, r.service)]

    def doubles(self):
        """Identities (service, id) that were stored more than once."""
        seen = collections.Counter((r.service, r.id) for r in self.stored())
        return [key for key, count in seen.items() if count > 1]

    # --- connections ---------------------------------------------------------------------------

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with self._changed:
            self.connections += 1
            self._open.add(connection)
        try:
            stream = connection
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.tls)
                if self.client_ca:
                    context.load_verify_locations(self.client_ca)
                    context.verify_mode = ssl.CERT_REQUIRED
                stream = context.wrap_socket(connection, server_side=True)
                with self._changed:
                    self._open.discard(connection)
                    self._open.add(stream)
                connection = stream
            self._syslog(stream) if self.mode == "syslog" else self._http(stream)
        except (OSError, EOFError):
            pass
        finally:
            with self._changed:
                self._open.discard(connection)
                self._changed.notify_all()
            connection.close()

    def _syslog(self, stream):
        buffer, total = b"", 0
        while chunk := stream.recv(65536):
            total += len(chunk)
            buffer += chunk
            while match := re.match(rb"(\d+) ", buffer):
                end = match.end() + int(match[1])
                if len(buffer) < end:
                    break
                with self._changed:
                    self.messages.append(parse_syslog(buffer[match.end():end]))
                    self._changed.notify_all()
                buffer = buffer[end:]
            assert len(buffer) < HEAD_MAX and re.match(rb"\d{0,7}( |$)", buffer[:9]), buffer[:100]
            if self.cut_after is not None and total >= self.cut_after:
                self.cut_after = None
                abort(stream)
                return

    def _http(self, stream):
        file = stream.makefile("rb")
        while request := self._read(file, stream):
            with self._changed:
                self.requests.append(request)
                fault = self._script.popleft() if self._script else self.rule(request) or Answer(200)
            if not self._answer(stream, request, fault):
                return

    @staticmethod
    def _read(file, stream):
        line = file.readline(HEAD_MAX).split()
        if len(line) != 3:
            return None
        headers = {}
        while (header := file.readline(HEAD_MAX).strip()):
            name, _, value = header.partition(b":")
            headers[name.decode().lower()] = value.strip().decode()
        if headers.get("expect", "").lower() == "100-continue":
            stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert "transfer-encoding" not in headers, "bodies are to be sent with their length"
        raw = file.read(int(headers.get("content-length", 0)))
        if len(raw) != int(headers.get("content-length", 0)):
            raise EOFError
        return Request(line[0].decode(), line[1].decode(), headers, raw)

    def _note(self, request, status, stored):
        with self._changed:
            request.status = status
            request.stored = stored
            self._changed.notify_all()

    def _answer(self, stream, request, fault):
        """Returns whether the connection goes on."""
        if not isinstance(fault, Answer):
            self._note(request, None, fault.stored)
            if isinstance(fault, Hang):
                if fault.headers:
                    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                wait_for_end(stream, self.stopped)
            elif isinstance(fault, Reset):
                abort(stream)
            return False
        if fault.wait:
            fault.wait.wait(60)
        data = fault.bytes()
        self._note(request, fault.status, 200 <= fault.status < 300)
        if fault.cut is not None:
            stream.sendall(data[:fault.cut])
            return False
        if fault.drip:
            for byte in data:
                stream.sendall(bytes([byte]))
                if self.stopped.wait(fault.drip):
                    return False
        else:
            stream.sendall(data)
        return fault.headers.get("Connection", "").lower() != "close"


def abort(connection):
    """Reset: what was not read is thrown away on both sides."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    connection.close()


def wait_for_end(stream, stopped):
    """Until the client closes."""
    stream.settimeout(0.2)
    while not stopped.is_set():
        try:
            if not stream.recv(65536):
                return
        except TimeoutError:
            continue
        except OSError:
            return
