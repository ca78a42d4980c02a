# SPDX-License-Identifier: Apache-2.0
"""The same for asyncio. Calls of several tasks go over one connection at the same time."""
import asyncio
import os
import time
from typing import Any, AsyncIterator, Dict, List, Optional, Union, cast

from ._wire import Decoder, EventPlace, LogPlace, Names, RETRY_STEP, definition, encode, milliseconds, names_param, result_of, without_none
from .errors import ConnectionLost, NoServer, NotReached, Timeout, ZinitError
from .types import Added, Changed, Event, LogLine, Lost, Params, Reload, Row, Stats, Status, StatusFull, Why
from .client import FOREVER, default_socket


async def connect(path: str, patience: float) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
    deadline = time.monotonic() + patience
    while True:
        try:
            return await asyncio.open_unix_connection(path)
        except OSError as error:
            if isinstance(error, PermissionError) or time.monotonic() >= deadline:
                raise NoServer(f"no server at {path}: {error.strerror or error}") from None
        await asyncio.sleep(RETRY_STEP)


class AsyncClient:
    """A connection to the server at `path`; `async with AsyncClient() as client: …`. See Client."""

    def __init__(self, path: Optional[str] = None, timeout: float = 10.0, connect_timeout: float = 1.0) -> None:
        self.path = os.fspath(path) if path is not None else default_socket()
        self.timeout = timeout
        self._patience = connect_timeout
        self._last_id = 0
        self._reader_task: Optional["asyncio.Task[None]"] = None
        self._writer: Optional[asyncio.StreamWriter] = None
        self._answers: Dict[int, "asyncio.Future[Dict[str, Any]]"] = {}
        self._notified: "asyncio.Queue[Optional[Dict[str, Any]]]" = asyncio.Queue(maxsize=16)
        self._streams = False
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> "AsyncClient":
        await self._connect(self._patience)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        task, self._reader_task = self._reader_task, None
        writer, self._writer = self._writer, None
        if task:
            task.cancel()
        if writer:
            writer.close()
        self._fail(ConnectionLost("the connection was closed"))

    def _fail(self, error: ZinitError) -> None:
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            if not answer.done():
                answer.set_exception(error)

    async def _connect(self, patience: float) -> asyncio.StreamWriter:
        async with self._connecting:
            if not self._writer:
                reader, self._writer = await connect(self.path, patience)
                self._reader_task = asyncio.ensure_future(self._read(reader, self._writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hands on what comes until the connection ends. A stream that nobody takes from holds the server back, not memory."""
        decoder = Decoder()
        error: ZinitError = ConnectionLost(f"the server at {self.path} closed the connection")
        try:
            while data := await reader.read(1 << 16):
                for message in decoder.feed(data):
                    await self._take(message)
        except OSError as reason:
            error = ConnectionLost(str(reason))
        except ZinitError as reason:
            error = reason
        writer.close()
        if self._writer is writer:
            self._writer = None
            self._fail(error)
            if self._streams:
                await self._notified.put(None)

    async def _take(self, message: Dict[str, Any]) -> None:
        if "method" in message:
            if self._streams:
                await self._notified.put(message)
            return
        answer = self._answers.pop(message.get("id", 0), None)
        if answer and not answer.done():
            answer.set_result(message)

    async def call(self, method: str, params: Params = None, timeout: Optional[float] = None) -> Any:
        """Any method of rpc.discover. Returns its result, or raises RpcError."""
        patience = self.timeout if timeout is None else timeout
        writer = await self._connect(self._patience)
        self._last_id += 1
        number = self._last_id
        answer: "asyncio.Future[Dict[str, Any]]" = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            writer.write(encode(number, method, params))
            await writer.drain()
            return result_of(await asyncio.wait_for(answer, None if patience == FOREVER else patience))
        except asyncio.TimeoutError:
            raise Timeout("no answer from the server in time") from None
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        finally:
            self._answers.pop(number, None)

    # --- methods ----------------------------------------------------------------------------------------------

    async def ping(self) -> str:
        """The server's version."""
        return cast(str, (await self.call("system.ping"))["version"])

    async def info(self) -> Dict[str, Any]:
        """The server: uptime, counts by state, connections."""
        return cast(Dict[str, Any], await self.call("system.info"))

    async def names(self) -> List[str]:
        """Names of all services."""
        return cast(List[str], await self.call("service.list"))

    async def list(self, names: Names = None, usage: bool = False, invalid: bool = False) -> List[Row]:
        """All services, or those of these names, patterns and @tags; with CPU and memory; with files that could not be loaded."""
        return cast(List[Row], await self.call("service.list_full", without_none(names=names_param(names), usage=usage or None, invalid=invalid or None)))

    async def status(self, name: str) -> Status:
        return cast(Status, await self.call("service.status", {"name": name}))

    async def status_full(self, name: str) -> StatusFull:
        """The same with dependencies, CPU and memory."""
        return cast(StatusFull, await self.call("service.status_full", {"name": name}))

    async def stats(self, name: str) -> Stats:
        return cast(Stats, await self.call("service.stats", {"name": name}))

    async def is_running(self, name: str) -> bool:
        return cast(bool, await self.call("service.is_running", {"name": name}))

    async def why(self, name: str) -> Why:
        """Why it is as it is, down to the root cause."""
        return cast(Why, await self.call("service.why", {"name": name}))

    async def tree(self, name: Optional[str] = None) -> str:
        """Dependencies as text."""
        return cast(str, (await self.call("service.tree", without_none(name=name)))["ascii"])

    async def get(self, name: str) -> Dict[str, Any]:
        """Its definition, defaults filled in."""
        return cast(Dict[str, Any], await self.call("service.get", {"name": name}))

    async def start(self, name: str, wait: bool = True, timeout: Optional[float] = None, tree: bool = False) -> Changed:
        """Want it up; with `wait` until it is, else NotReached. `tree`: what it requires and wants too."""
        return await self._change("service.start", name, wait, timeout, tree=tree or None)

    async def stop(self, name: str, wait: bool = True, timeout: Optional[float] = None) -> Changed:
        """Want it down, and first what requires it; with `wait` until nothing of it is left, else NotReached."""
        return await self._change("service.stop", name, wait, timeout)

    async def restart(self, name: str, wait: bool = True, timeout: Optional[float] = None) -> Changed:
        return await self._change("service.restart", name, wait, timeout)

    async def wait(self, name: str, state: Names = None, timeout: Optional[float] = None) -> Changed:
        """Until it is in a state, or one of several, or "up", "down", "settled" (the default); else NotReached."""
        return await self._change("service.wait", name, None, timeout, state=names_param(state))

    async def kill(self, name: str, signal: Union[str, int] = "SIGTERM") -> None:
        """Send a signal to its process group."""
        await self.call("service.kill", {"name": name, "signal": signal})

    async def add(self, config: Dict[str, Any], persist: bool = False) -> Added:
        """Create a service; `config` has the sections of a file: {"service": {"name": …, "exec": …}, …}."""
        return cast(Added, await self.call("service.add", definition(config, persist)))

    async def set(self, config: Dict[str, Any], persist: bool = True) -> Added:
        """Create a service or replace it."""
        return cast(Added, await self.call("service.set", definition(config, persist)))

    async def delete(self, name: str, timeout: Optional[float] = None) -> None:
        """Stop it, forget it, delete its file. `timeout`: how long the answer is waited for, by default without end."""
        await self.call("service.delete", {"name": name}, timeout=timeout if timeout is not None else FOREVER)

    async def reload(self, name: Optional[str] = None) -> Reload:
        """Read the service directories again and apply what changed; with a name: tell that service alone to reload."""
        return cast(Reload, await self.call("service.reload", without_none(name=name)))

    async def logs(self, names: Names = None, lines: int = 100, **filters: Any) -> List[LogLine]:
        """The last lines, of memory and disk, merged by time. Filters: since, until, stream, grep, contains, ignore_case, level, run."""
        params = without_none(names=names_param(names), lines=lines, **filters)
        return cast(List[LogLine], (await self.call("logs.query", params))["lines"])

    async def shutdown(self) -> None:
        """Stop all services in order, then end the server."""
        await self.call("system.shutdown")

    async def _change(self, method: str, name: str, wait: Optional[bool], timeout: Optional[float], **more: Any) -> Changed:
        waits = wait is not False
        params = without_none(name=name, wait=wait or None, timeout_ms=milliseconds(timeout) if waits else None, **more)
        patience = (FOREVER if timeout is None else timeout + self.timeout) if waits else None
        answer = await self.call(method, params, timeout=patience)
        if waits and not answer.get("ok"):
            raise NotReached(answer)
        return cast(Changed, answer)

    # --- streams ----------------------------------------------------------------------------------------------

    async def follow(self, names: Names = None, lines: int = 0, since: Union[str, int, None] = None, cursors: Optional[Dict[str, str]] = None,
                     reconnect: float = 30.0, **filters: Any) -> AsyncIterator[LogLine]:
        """As Client.follow()."""
        place = LogPlace(names, lines or (None if since is not None else 0), since, cursors, **filters)
        async for line in self._stream(place, reconnect):
            yield cast(LogLine, line)

    async def events(self, names: Names = None, cursor: Optional[int] = None, reconnect: float = 30.0) -> AsyncIterator[Union[Event, Lost]]:
        """As Client.events()."""
        async for event in self._stream(EventPlace(names, cursor), reconnect):
            yield cast(Event, event)

    async def _stream(self, place: Union[LogPlace, EventPlace], reconnect: float) -> AsyncIterator[Dict[str, Any]]:
        patience = self._patience
        while True:
            own = AsyncClient(self.path, self.timeout, patience)
            own._streams = True
            patience = reconnect
            try:
                begun = await own.call(place.method, place.params())
                if isinstance(place, EventPlace):
                    place.begun(begun)
                while message := await own._notified.get():
                    if message.get("method") == place.method:
                        for item in place.take(message.get("params") or {}):
                            yield item
                raise ConnectionLost(f"the server at {self.path} closed the connection")
            except ConnectionLost:
                if reconnect <= 0:
                    raise
            finally:
                await own.close()
