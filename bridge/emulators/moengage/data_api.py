"""The Data API as far as it is emulated: path, headers and body in, the documented answer out. Knows nothing of sockets.

Order of checks: credentials, media type, size, rate, body. The bulk call answers 200 to whatever its elements hold, and ignores what
it cannot take; single calls answer 400 (MoEngage's Data OpenAPI description).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.emulators.moengage.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.emulators.moengage.faults import Faults
    from bridge.emulators.moengage.workspace import User, Workspace

SINGLE: Final = {"customer": "customer", "event": "event", "device": "device"}
BULK_BYTES: Final = 100_000
OTHER_BYTES: Final = 128_000
_MOST_EXPORTED: Final = 20
_TYPES: Final = frozenset({"customer", "event", "device"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, JSON and headers of an answer."""

    status: int
    document: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class DataApi:
    """``app_id`` is the workspace's, ``api_keys`` those that are valid; ``wall``: seconds since 1970, by which windows run."""

    def __init__(
        self,
        workspace: Workspace,
        faults: Faults,
        *,
        app_id: str,
        api_keys: Sequence[str],
        phase: float,
        wall: Callable[[], float],
    ) -> None:
        self.workspace = workspace
        self.app_id = app_id
        self.api_keys = list(api_keys)
        self.minutes = Windows(phase)
        self.seconds = Windows(phase % 1, seconds=1.0)
        self.requests: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.elements_per_request: Counter[int] = Counter()
        self._faults = faults
        self._wall = wall

    def clear(self) -> None:
        """Forget what was received."""
        self.workspace.clear()
        for windows in (self.minutes, self.seconds):
            windows.clear()
        for counter in (self.requests, self.calls, self.elements_per_request):
            counter.clear()

    def post(self, call: str, app_id: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """``call``: customer, event, device, transition or export. ``headers`` must find names in any case."""
        self.calls[call] += 1
        refused = self._refuse(call, app_id, headers, body)
        if refused is not None:
            return refused
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            message = "Could not decode the request body. The JSON was incorrect or not encoded as UTF-8."
            return _fail(400, "Malformed JSON", message)
        if not isinstance(document, dict):
            return _fail(400, "Body type is not JSON", "A valid JSON document is required.")
        if call == "export":
            return self._export(document)
        if call == "transition":
            return self._bulk(document)
        return self._single(call, document)

    def _refuse(self, call: str, app_id: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """What is wrong with the request before its body is read."""
        wrong = self._unauthorized(app_id, headers.get("Authorization"))
        if wrong is not None:
            return wrong
        media = headers.get("Content-Type")
        if not media:
            return _fail(400, "Missing header value", "The Content-Type Header is required")
        if media.partition(";")[0].strip().lower() != "application/json":
            return _fail(415, "MediaTypeError", "Unsupported Media Type")
        most = self._faults.max_bytes or (BULK_BYTES if call == "transition" else OTHER_BYTES)
        if len(body) > most:
            return _fail(413, "PayloadTooLarge", f"Payload size exceeds {most // 1000} KB")
        if not body:
            return _fail(400, "Empty request body", "A valid JSON document is required")
        return None

    def _unauthorized(self, app_id: str, authorization: str | None) -> Answer | None:
        status = self._faults.unauthorized_status
        kind = "Authentication required" if status == 401 else "Account Suspended"
        if not authorization:
            return _fail(status, kind, "Authentication Header Required")
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = key = ""
        if scheme.lower() != "basic" or not user:
            return _fail(status, kind, "Invalid identity information found")
        if user != self.app_id:
            return _fail(status, kind, "Invalid APP_ID used in Authentication Header")
        if key not in self.api_keys:
            return _fail(status, kind, "App Secret key mismatch. Please login to the dashboard to verify key")
        if app_id != self.app_id:
            return _fail(409, "Authentication Mismatch", "App key mismatch in params and authentication")
        return None

    def _limited(self, elements: Sequence[Any]) -> Answer | None:
        limits, now = self._faults.limits, self._wall()
        units = {
            "users": sum(1 for one in elements if _type(one) == "customer"),
            "events": sum(_actions(one) for one in elements if _type(one) == "event"),
            "devices": sum(1 for one in elements if _type(one) == "device"),
            "requests": 1,
        }
        if self.seconds.admit({"requests": 1}, {"requests": limits.requests_per_second}, now):
            return self._throttled(self.seconds, now)
        most = {
            "users": limits.users,
            "events": limits.events,
            "devices": limits.devices,
            "requests": limits.requests,
        }
        return self._throttled(self.minutes, now) if self.minutes.admit(units, most, now) else None

    def _throttled(self, windows: Windows, now: float) -> Answer:
        answer = _fail(429, "RateLimitError", "Rate limit exceeded")
        left = windows.left(now)
        match self._faults.reset_form:
            case "left":
                answer.headers["x-ratelimit-reset"] = f"{left:.0f}"
            case "epoch":
                answer.headers["x-ratelimit-reset"] = f"{now + left:.0f}"
            case "retry_after":
                answer.headers["Retry-After"] = f"{left:.0f}"
        return answer

    def rate_headers(self) -> dict[str, str]:
        """What rate-limited calls tell with every answer."""
        limit, now = self._faults.limits.users or self._faults.limits.events, self._wall()
        if not limit:
            return {}
        kind = "users" if self._faults.limits.users else "events"
        return {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - self.minutes.used(kind, now))),
            "x-ratelimit-reset": f"{self.minutes.left(now):.0f}",
        }

    def _bulk(self, document: Mapping[str, Any]) -> Answer:
        elements = document.get("elements")
        if document.get("type") != "transition":
            return _fail(400, "ValueError", "type is expected to be transition")
        if not isinstance(elements, list) or not elements:
            return _fail(400, "MissingAttributeError", "elements is not found in the payload", "elements")
        limited = self._limited(elements) or self._struck(elements)
        if limited is not None:
            return limited
        self.elements_per_request[len(elements)] += 1
        for element in elements:
            self._process(element)
        return _success()

    def _single(self, call: str, document: dict[str, Any]) -> Answer:
        kind = SINGLE[call]
        if document.get("type") != kind:
            return _fail(400, "ValueError", f"type is expected to be {kind}", "type")
        limited = self._limited([document]) or self._struck([document])
        if limited is not None:
            return limited
        wrong = self.workspace.error(document)
        if wrong is not None:
            return _fail(400, wrong["type"], wrong["message"], wrong["attribute"])
        self.elements_per_request[1] += 1
        self._process(document)
        return _success()

    def _struck(self, elements: Sequence[Any]) -> Answer | None:
        refuse = self._faults.refuse
        if refuse is None or not any(_customer(one) in refuse.customer_ids for one in elements):
            return None
        if not self._faults.strike(refuse):
            return None
        return _fail(refuse.status, refuse.type, refuse.message)

    def _process(self, element: Any) -> None:
        if not isinstance(element, dict) or element.get("type") not in _TYPES:
            self.workspace.ignore("type that is not one of customer, event and device", str(_type(element)))
            return
        lose = self._faults.lose
        is_meant = lose is not None and (lose.customer_ids is None or _customer(element) in lose.customer_ids)
        if is_meant and self._faults.strike(lose):
            self.workspace.counts["lost"] += 1
            return
        wrong = self.workspace.error(element)
        if wrong is not None:
            self.workspace.ignore(f"{wrong['type']}: {wrong['message']}", element["type"], str(_customer(element)))
            return
        self.workspace.process(element)

    def _export(self, document: Mapping[str, Any]) -> Answer:
        """Get User: by customer id; fields as asked for, else all."""
        data = document.get("data")
        if not isinstance(data, dict):
            return _fail(400, "MissingAttributeError", "data is not found in the payload", "data")
        identifiers = data.get("identifiers")
        if not isinstance(identifiers, list) or not identifiers:
            return _fail(400, "MissingAttributeError", "identifiers is not found in the payload", "identifiers")
        if len(identifiers) > _MOST_EXPORTED:
            return _fail(400, "LimitBreached", f"max limit allowed is {_MOST_EXPORTED}", "users")
        fields = data.get("user_fields_to_export") or document.get("user_fields_to_export")
        users: list[dict[str, Any]] = []
        missing: list[Any] = []
        for one in identifiers:
            identifier = one.get("identifier") if isinstance(one, dict) else None
            user = self.workspace.users.get(identifier) if isinstance(identifier, str) else None
            if user is None or one.get("identifier_type") != "customer_id":
                missing.append(one)
            else:
                users.append({"user_attributes": _exported(str(identifier), user, fields)})
        found = {"users_not_found": missing, "users": users}
        return Answer(200, {"status": "success", "type": "export_users", "data": found})


def _exported(identifier: str, user: User, fields: Any) -> dict[str, Any]:
    everything = {
        **user.attributes,
        "customer_id": identifier,
        "id": hashlib.sha256(identifier.encode()).hexdigest()[:24],
    }
    if not isinstance(fields, list):
        return everything
    return {name: everything[name] for name in fields if name in everything}


def _type(element: Any) -> Any:
    return element.get("type") if isinstance(element, dict) else None


def _customer(element: Any) -> Any:
    identifier = element.get("customer_id") if isinstance(element, dict) else None
    return identifier if isinstance(identifier, str) else None


def _actions(element: Any) -> int:
    actions = element.get("actions")
    return len(actions) if isinstance(actions, list) else 1


def _success() -> Answer:
    message = "Your request has been accepted and will be processed soon."
    return Answer(200, {"status": "success", "message": message, "request_id": secrets.token_hex(4)})


def _fail(status: int, kind: str, message: str, attribute: str | None = None) -> Answer:
    error = {"type": kind, "message": message, "request_id": secrets.token_hex(4)}
    return Answer(status, {"status": "fail", "error": error | ({"attribute": attribute} if attribute else {})})
