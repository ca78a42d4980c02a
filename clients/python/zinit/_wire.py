# SPDX-License-Identifier: Apache-2.0
"""The protocol without any input or output: requests to bytes, bytes to messages, and what a subscription needs to go on."""
import json
from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

from .errors import ProtocolError, rpc_error
from .types import Params

MESSAGE_MAX = 256 << 20
RETRY_STEP = 0.05
"""Seconds between two tries of a socket that nobody serves."""


def encode(number: int, method: str, params: Params) -> bytes:
    request: Dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
    if params is not None:
        request["params"] = params
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


class Decoder:
    """Lines of the server to messages."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._scanned = 0

    def feed(self, data: bytes) -> Iterator[Dict[str, Any]]:
        self._pending += data
        while True:
            end = self._pending.find(b"\n", self._scanned)
            if end < 0:
                self._scanned = len(self._pending)
                if self._scanned > MESSAGE_MAX:
                    raise ProtocolError(f"a message over {MESSAGE_MAX} bytes")
                return
            line = bytes(self._pending[:end])
            del self._pending[:end + 1]
            self._scanned = 0
            if not line.strip():
                continue
            try:
                message = json.loads(line)
            except ValueError as error:
                raise ProtocolError(f"what came is not JSON: {error}") from None
            if not isinstance(message, dict):
                raise ProtocolError("what came is not a JSON-RPC message")
            yield message


def result_of(message: Dict[str, Any]) -> Any:
    error = message.get("error")
    if isinstance(error, dict):
        raise rpc_error(error)
    if "result" not in message:
        raise ProtocolError("an answer without result or error")
    return message["result"]


def without_none(**params: Any) -> Dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def milliseconds(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else max(1, int(seconds * 1000))


def definition(config: Dict[str, Any], persist: Optional[bool]) -> Dict[str, Any]:
    return without_none(config=config, persist=persist)


Names = Union[str, Sequence[str], None]


def names_param(names: Names) -> Union[str, List[str], None]:
    return names if names is None or isinstance(names, str) else list(names)


class LogPlace:
    """Where a follower stands: what to ask for first, and what to ask for on the next connection."""

    method = "logs.follow"

    def __init__(self, names: Names, lines: Optional[int], since: Union[str, int, None], cursors: Optional[Dict[str, str]], **filters: Any) -> None:
        self._base = without_none(names=names_param(names), **filters)
        self._first = without_none(lines=lines, since=since)
        self.cursors: Dict[str, str] = dict(cursors or {})
        self._live = bool(cursors)

    def params(self) -> Dict[str, Any]:
        """Until the lines that were there are all sent, they are asked for again."""
        if self._live:
            return {**self._base, "cursors": self.cursors}
        return {**self._base, **self._first}

    def take(self, params: Dict[str, Any]) -> List[Dict[str, Any]]:
        if params.get("live"):
            self._live = True
            self.cursors.update(params.get("cursors") or {})
        lines: List[Dict[str, Any]] = list(params.get("lines") or [])
        if "service" in params and "cursor" in params:
            self.cursors[params["service"]] = params["cursor"]
        if params.get("lost"):
            lines.insert(0, {"service": params.get("service"), "content": "", "lost": params["lost"], "reason": params.get("reason", "")})
        return lines


class EventPlace:
    """The same for events."""

    method = "events.subscribe"

    def __init__(self, names: Names, cursor: Optional[int]) -> None:
        self._base = without_none(names=names_param(names))
        self.cursor = cursor

    def params(self) -> Dict[str, Any]:
        return {**self._base, **without_none(cursor=self.cursor)}

    def begun(self, result: Any) -> None:
        if self.cursor is None and isinstance(result, dict):
            self.cursor = result.get("cursor")

    def take(self, params: Dict[str, Any]) -> List[Dict[str, Any]]:
        events: List[Dict[str, Any]] = list(params.get("events") or [])
        if params.get("lost"):
            events.insert(0, {"lost": params["lost"]})
        if "cursor" in params:
            self.cursor = params["cursor"]
        return events
