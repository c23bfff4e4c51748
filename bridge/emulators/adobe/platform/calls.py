"""One call to a platform API, what it is answered, and the four families of error bodies.

Handlers are plain functions from a :class:`Call` to a :class:`Reply`; a refusal is raised as :class:`Refused` wherever it is
found. Shapes: AEP docs, landing/troubleshooting, xdm/troubleshooting-guide, sources/errors/flow-service-errors.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bridge.emulators.adobe.platform.sandbox import Sandbox

    Handler = Callable[["Call"], "Reply"]
    Route = tuple[str, str, Handler]
    """Method, path (``/flows/{id}``) and the function that answers."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, JSON (or bytes as they are; None for nothing) and extra headers of an answer.

    ``later``: gives the answer in place of this one, where others have to be asked for it.
    """

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    later: Callable[[], Awaitable[Reply]] | None = None


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """The call is answered with this instead."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the gateway let through."""

    method: str
    path: str
    parts: Mapping[str, str]
    """What stands in the path where the route has a name in braces, decoded."""
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    raw: bytes
    sandbox: Sandbox
    client_id: str

    def one(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every value of a query parameter."""
        return [value for key, value in self.query if key == name]

    def number(self, name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
        """A whole number of the query; refused when it is none or lies outside."""
        text = self.one(name)
        if text is None:
            return default
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            raise Refused(Reply(400, problem("aep", "BadRequest", 400, f"{name}={text} is not valid")))
        return int(text)

    def body(self) -> Any:
        """The JSON that was sent; refused without its media type, or when it is no JSON."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in ("application/json", "application/json-patch+json"):
            raise Refused(Reply(400, problem("aep", "BadRequestError", 400, "Content-Type must be application/json")))
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError:
            raise Refused(Reply(400, problem("aep", "BadRequestError", 400, "the body is not JSON"))) from None

    def document(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        body = self.body()
        if not isinstance(body, dict):
            raise Refused(Reply(400, problem("aep", "BadRequestError", 400, "the body is not a JSON object")))
        return body


def gateway_error(code: str, message: str) -> Reply:
    """An answer of the gateway: ``{"error_code", "message"}``; its status is the code's first three digits."""
    return Reply(int(code[:3]), {"error_code": code, "message": message})


def problem(family: str, code: str, status: int, detail: str, *, title: str = "Bad Request") -> dict[str, Any]:
    """An RFC 7807 like body as Schema Registry, Identity and Flow Service give it."""
    return {
        "type": f"http://ns.adobe.com/{family}/errors/{code}",
        "title": title,
        "status": status,
        "report": {
            "registryRequestId": str(uuid.uuid4()),
            "timestamp": "",
            "detailed-message": detail,
            "sub-errors": [],
        },
        "detail": detail,
    }
