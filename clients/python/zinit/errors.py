# SPDX-License-Identifier: Apache-2.0
"""What can go wrong: everything is a ZinitError; what the server answered is an RpcError, by its code."""
from typing import Any, Dict, List, Optional, Type


class ZinitError(Exception):
    """Base of all."""


class NoServer(ZinitError):
    """Nobody listens on the socket, or it may not be opened."""


class ConnectionLost(ZinitError):
    """The connection broke: what was asked may or may not have been done."""


class Timeout(ZinitError):
    """No answer in time. The request may still be carried out."""


class ProtocolError(ZinitError):
    """What came is not JSON-RPC, or larger than a message may be."""


class NotReached(ZinitError):
    """A service is not where it was to be: `.answer` has its state, why, and its last lines."""

    def __init__(self, answer: Dict[str, Any]) -> None:
        why = "; ".join(answer.get("why") or []) or f"it is {answer.get('state')}"
        super().__init__(f"{answer.get('name')}: {'timed out: ' if answer.get('timed_out') else ''}{why}")
        self.answer = answer


class RpcError(ZinitError):
    """The server refused: JSON-RPC's `code` and `message`, and what `data` says."""

    def __init__(self, error: Dict[str, Any]) -> None:
        data = error.get("data")
        self.code = int(error.get("code", 0))
        self.message = str(error.get("message", ""))
        self.data: Dict[str, Any] = data if isinstance(data, dict) else {}
        super().__init__(f"{self.message} ({self.code})" + (f"; {self.hint}" if self.hint else ""))

    @property
    def code_name(self) -> str:
        return str(self.data.get("code_name", ""))

    @property
    def service(self) -> Optional[str]:
        return self.data.get("service")

    @property
    def hint(self) -> Optional[str]:
        return self.data.get("hint")

    @property
    def retryable(self) -> bool:
        return bool(self.data.get("retryable"))

    @property
    def causes(self) -> List[str]:
        return list(self.data.get("cause_chain") or [])


class ServiceNotFound(RpcError):
    """No service has that name."""


class InvalidParams(RpcError):
    """A parameter is missing, unknown, or of the wrong kind."""


class AccessDenied(RpcError):
    """The caller's user may not do that."""


class ValidationFailed(RpcError):
    """The definition of a service is not valid: `.errors` has every problem."""

    @property
    def errors(self) -> List[str]:
        return list(self.data.get("errors") or [])


BY_CODE: Dict[int, Type[RpcError]] = {-32000: ServiceNotFound, -32602: InvalidParams, -32020: AccessDenied, -32011: ValidationFailed}


def rpc_error(error: Dict[str, Any]) -> RpcError:
    return BY_CODE.get(int(error.get("code", 0)), RpcError)(error)
