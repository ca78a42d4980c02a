# SPDX-License-Identifier: Apache-2.0
"""The synchronous client. One connection, one thread at a time; make one for each thread."""
import os
import socket
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Union, cast

from ._wire import Decoder, EventPlace, LogPlace, Names, RETRY_STEP, definition, encode, milliseconds, names_param, result_of, without_none
from .errors import ConnectionLost, NoServer, NotReached, Timeout
from .types import Added, Changed, Event, LogLine, Lost, Params, Reload, Row, Stats, Status, StatusFull, Why

FOREVER = float("inf")
SYSTEM_SOCKET = "/run/zinit.sock"


def default_socket() -> str:
    """$ZINIT_SOCKET; else /run/zinit.sock for root; else $XDG_RUNTIME_DIR/zinit.sock, unless only the former exists."""
    path, runtime = os.environ.get("ZINIT_SOCKET"), os.environ.get("XDG_RUNTIME_DIR")
    if path:
        return path
    if os.geteuid() != 0 and runtime:
        own = os.path.join(runtime, "zinit.sock")
        if os.path.exists(own) or not os.path.exists(SYSTEM_SOCKET):
            return own
    return SYSTEM_SOCKET


def connect(path: str, patience: float) -> socket.socket:
    """A socket that nobody serves is tried again for so many seconds: a server that is replaced is back soon."""
    deadline = time.monotonic() + patience
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
            return connection
        except OSError as error:
            connection.close()
            if isinstance(error, PermissionError) or time.monotonic() >= deadline:
                raise NoServer(f"no server at {path}: {error.strerror or error}") from None
        time.sleep(RETRY_STEP)


class Client:
    """A connection to the server at `path` (default_socket() if not given); usable as a context manager.

    `timeout`: seconds that an answer may take, beside what a call waits for by its own nature. After ConnectionLost or
    Timeout the next call connects anew.
    """

    def __init__(self, path: Optional[str] = None, timeout: float = 10.0, connect_timeout: float = 1.0) -> None:
        self.path = os.fspath(path) if path is not None else default_socket()
        self.timeout = timeout
        self._patience = connect_timeout
        self._last_id = 0
        self._decoder = Decoder()
        self._socket: Optional[socket.socket] = None
        self._connect(self._patience)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; followers of its own are not touched."""
        if self._socket:
            self._socket.close()
        self._socket = None

    def _connect(self, patience: float) -> socket.socket:
        if not self._socket:
            self._socket = connect(self.path, patience)
            self._decoder = Decoder()
        return self._socket

    def _messages(self, deadline: float) -> Iterator[Dict[str, Any]]:
        """What arrives, until the deadline."""
        yield from self._decoder.feed(b"")  # what came with an earlier answer
        while True:
            connection = self._connect(self._patience)
            left = deadline - time.monotonic()
            try:
                connection.settimeout(None if left == FOREVER else max(left, 0.001))
                data = connection.recv(1 << 16)
            except TimeoutError:
                if left <= 0:
                    raise Timeout("no answer from the server in time") from None
                continue
            except OSError as error:
                raise ConnectionLost(str(error)) from None
            if not data:
                raise ConnectionLost(f"the server at {self.path} closed the connection")
            yield from self._decoder.feed(data)

    def call(self, method: str, params: Params = None, timeout: Optional[float] = None) -> Any:
        """Any method of rpc.discover. Returns its result, or raises RpcError."""
        return self._call(method, params, self.timeout if timeout is None else timeout, None)

    def _call(self, method: str, params: Params, timeout: float, notified: Optional[Callable[[Dict[str, Any]], None]]) -> Any:
        self._last_id += 1
        deadline = time.monotonic() + timeout
        connection = self._connect(self._patience)
        try:
            connection.settimeout(min(timeout, 3600.0))
            connection.sendall(encode(self._last_id, method, params))
        except OSError as error:
            self.close()
            raise ConnectionLost(str(error)) from None
        try:
            for message in self._messages(deadline):
                if "method" in message and notified:
                    notified(message)
                if message.get("id") == self._last_id and "method" not in message:
                    return result_of(message)
        except (ConnectionLost, Timeout):
            self.close()  # an answer that comes late must not meet the next call
            raise
        raise ConnectionLost("the connection ended")

    # --- methods ----------------------------------------------------------------------------------------------

    def ping(self) -> str:
        """The server's version."""
        return cast(str, (self.call("system.ping"))["version"])

    def info(self) -> Dict[str, Any]:
        """The server: uptime, counts by state, connections."""
        return cast(Dict[str, Any], self.call("system.info"))

    def names(self) -> List[str]:
        """Names of all services."""
        return cast(List[str], self.call("service.list"))

    def list(self, names: Names = None, usage: bool = False, invalid: bool = False) -> List[Row]:
        """All services, or those of these names, patterns and @tags; with CPU and memory; with files that could not be loaded."""
        return cast(List[Row], self.call("service.list_full", without_none(names=names_param(names), usage=usage or None, invalid=invalid or None)))

    def status(self, name: str) -> Status:
        return cast(Status, self.call("service.status", {"name": name}))

    def status_full(self, name: str) -> StatusFull:
        """The same with dependencies, CPU and memory."""
        return cast(StatusFull, self.call("service.status_full", {"name": name}))

    def stats(self, name: str) -> Stats:
        return cast(Stats, self.call("service.stats", {"name": name}))

    def is_running(self, name: str) -> bool:
        return cast(bool, self.call("service.is_running", {"name": name}))

    def why(self, name: str) -> Why:
        """Why it is as it is, down to the root cause."""
        return cast(Why, self.call("service.why", {"name": name}))

    def tree(self, name: Optional[str] = None) -> str:
        """Dependencies as text."""
        return cast(str, (self.call("service.tree", without_none(name=name)))["ascii"])

    def get(self, name: str) -> Dict[str, Any]:
        """Its definition, defaults filled in."""
        return cast(Dict[str, Any], self.call("service.get", {"name": name}))

    def start(self, name: str, wait: bool = True, timeout: Optional[float] = None, tree: bool = False) -> Changed:
        """Want it up; with `wait` until it is, else NotReached. `tree`: what it requires and wants too."""
        return self._change("service.start", name, wait, timeout, tree=tree or None)

    def stop(self, name: str, wait: bool = True, timeout: Optional[float] = None) -> Changed:
        """Want it down, and first what requires it; with `wait` until nothing of it is left, else NotReached."""
        return self._change("service.stop", name, wait, timeout)

    def restart(self, name: str, wait: bool = True, timeout: Optional[float] = None) -> Changed:
        return self._change("service.restart", name, wait, timeout)

    def wait(self, name: str, state: Names = None, timeout: Optional[float] = None) -> Changed:
        """Until it is in a state, or one of several, or "up", "down", "settled" (the default); else NotReached."""
        return self._change("service.wait", name, None, timeout, state=names_param(state))

    def kill(self, name: str, signal: Union[str, int] = "SIGTERM") -> None:
        """Send a signal to its process group."""
        self.call("service.kill", {"name": name, "signal": signal})

    def add(self, config: Dict[str, Any], persist: bool = False) -> Added:
        """Create a service; `config` has the sections of a file: {"service": {"name": …, "exec": …}, …}."""
        return cast(Added, self.call("service.add", definition(config, persist)))

    def set(self, config: Dict[str, Any], persist: bool = True) -> Added:
        """Create a service or replace it."""
        return cast(Added, self.call("service.set", definition(config, persist)))

    def delete(self, name: str, timeout: Optional[float] = None) -> None:
        """Stop it, forget it, delete its file. `timeout`: how long the answer is waited for, by default without end."""
        self.call("service.delete", {"name": name}, timeout=timeout if timeout is not None else FOREVER)

    def reload(self, name: Optional[str] = None) -> Reload:
        """Read the service directories again and apply what changed; with a name: tell that service alone to reload."""
        return cast(Reload, self.call("service.reload", without_none(name=name)))

    def logs(self, names: Names = None, lines: int = 100, **filters: Any) -> List[LogLine]:
        """The last lines, of memory and disk, merged by time. Filters: since, until, stream, grep, contains, ignore_case, level, run."""
        params = without_none(names=names_param(names), lines=lines, **filters)
        return cast(List[LogLine], (self.call("logs.query", params))["lines"])

    def shutdown(self) -> None:
        """Stop all services in order, then end the server."""
        self.call("system.shutdown")

    def _change(self, method: str, name: str, wait: Optional[bool], timeout: Optional[float], **more: Any) -> Changed:
        waits = wait is not False
        params = without_none(name=name, wait=wait or None, timeout_ms=milliseconds(timeout) if waits else None, **more)
        patience = (FOREVER if timeout is None else timeout + self.timeout) if waits else None
        answer = self.call(method, params, timeout=patience)
        if waits and not answer.get("ok"):
            raise NotReached(answer)
        return cast(Changed, answer)

    # --- streams ----------------------------------------------------------------------------------------------

    def follow(self, names: Names = None, lines: int = 0, since: Union[str, int, None] = None, cursors: Optional[Dict[str, str]] = None,
               reconnect: float = 30.0, **filters: Any) -> Iterator[LogLine]:
        """Lines as they come, on a connection of their own; first so many that are there already (all since `since`).

        When the server is replaced it goes on where it was, trying for `reconnect` seconds. A line with `lost` tells of lines
        that were overwritten before they could be sent. Each line has its `cursor`: with `cursors={service: cursor}` another
        process goes on after it.
        """
        place = LogPlace(names, lines or (None if since is not None else 0), since, cursors, **filters)
        for line in self._stream(place, reconnect):
            yield cast(LogLine, line)

    def events(self, names: Names = None, cursor: Optional[int] = None, reconnect: float = 30.0) -> Iterator[Union[Event, Lost]]:
        """Changes of state as they come, from now on or after `cursor`; goes on after a restart of the server as follow() does."""
        for event in self._stream(EventPlace(names, cursor), reconnect):
            yield cast(Event, event)

    def _stream(self, place: Union[LogPlace, EventPlace], reconnect: float) -> Iterator[Dict[str, Any]]:
        patience = self._patience
        while True:
            try:
                with Client(self.path, self.timeout, patience) as own:
                    patience = reconnect
                    early: List[Dict[str, Any]] = []
                    begun = own._call(place.method, place.params(), own.timeout, early.append)
                    if isinstance(place, EventPlace):
                        place.begun(begun)
                    for message in early:
                        yield from place.take(message.get("params") or {})
                    for message in own._messages(FOREVER):
                        if message.get("method") == place.method:
                            yield from place.take(message.get("params") or {})
            except ConnectionLost:
                if reconnect <= 0:
                    raise
