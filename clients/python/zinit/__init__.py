# SPDX-License-Identifier: Apache-2.0
"""Client of the zinit process supervisor.

    import zinit

    with zinit.Client() as client:
        client.start("web")                     # waits until it is up, or raises NotReached
        for line in client.follow(["web"]):     # goes on after a restart of the server, nothing lost or doubled
            print(line["content"])

`AsyncClient` has the same methods for asyncio. Errors: see zinit.errors.
"""
from .aio import AsyncClient
from .client import Client, default_socket
from .errors import (AccessDenied, ConnectionLost, InvalidParams, NoServer, NotReached, ProtocolError, RpcError, ServiceNotFound, Timeout,
                     ValidationFailed, ZinitError)
from .types import Added, Changed, Event, LogLine, Lost, Reload, Row, State, Stats, Status, StatusFull, Why

__version__ = "0.4.0.dev0"
__all__ = ["AccessDenied", "Added", "AsyncClient", "Changed", "Client", "ConnectionLost", "Event", "InvalidParams", "LogLine", "Lost", "NoServer",
           "NotReached", "ProtocolError", "Reload", "Row", "RpcError", "ServiceNotFound", "State", "Stats", "Status", "StatusFull", "Timeout",
           "ValidationFailed", "Why", "ZinitError", "default_socket"]
