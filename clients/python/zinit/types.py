# SPDX-License-Identifier: Apache-2.0
"""Shapes of answers. The server may send more members than stand here; rpc.discover describes them all."""
from typing import Any, Dict, List, Optional, TypedDict, Union


class State(TypedDict, total=False):
    state: str
    pid: int
    exit_code: Optional[int]
    reason: Optional[Dict[str, Any]]
    waiting_on: List[str]


class Status(TypedDict, total=False):
    name: str
    state: str
    pid: int
    exit_code: int
    error: str
    is_target: bool
    uptime_ms: int
    restart_count: int
    blocked_by: List[str]
    health: str


class Row(TypedDict, total=False):
    name: str
    state: State
    is_target: bool
    pid: int
    exit_code: Optional[int]
    error: str
    uptime_ms: int
    restart_count: int
    cpu_percent: float
    memory_bytes: int
    tags: List[str]


class StatusFull(Row, total=False):
    uptime_secs: Optional[int]
    dependencies: List[Dict[str, Any]]


class Changed(TypedDict, total=False):
    ok: bool
    reached: bool
    name: str
    state: str
    pid: int
    timed_out: bool
    why: List[str]
    logs: List[Dict[str, Any]]


class Added(TypedDict):
    name: str
    path: Optional[str]
    warnings: List[str]


class Stats(TypedDict, total=False):
    pid: int
    cpu_percent: float
    memory_bytes: int
    total: Dict[str, Any]


class Why(TypedDict, total=False):
    name: str
    blocked: bool
    waiting_on: List[str]
    conflicts_with: List[str]
    ascii: str
    chain: List[Dict[str, Any]]


class Reload(TypedDict, total=False):
    changes: List[Dict[str, str]]
    added: int
    changed: int
    restarted: int
    removed: int
    unchanged: int
    invalid: int


class LogLine(TypedDict, total=False):
    service: str
    stream: str
    timestamp_ms: int
    timestamp_ns: int
    time: str
    content: str
    base64: str
    partial: bool
    run: int
    cursor: str
    lost: int
    """How many lines are missing here; `content` is empty then, and `reason` says why."""
    reason: str


Event = TypedDict("Event", {
    "cursor": int, "timestamp_ms": int, "time": str, "kind": str, "service": Optional[str],
    "from": Optional[str], "to": Optional[str], "cause": str,
}, total=False)


class Lost(TypedDict):
    lost: int
    """So many events were overwritten before they could be sent."""


Params = Union[Dict[str, Any], List[Any], None]
