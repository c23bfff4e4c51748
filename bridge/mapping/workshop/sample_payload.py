"""The sample payload that MoEngage asks for when a stream is set up: MoEngage's shape, nobody's data."""

from __future__ import annotations

import re
from typing import Any, Final

_DERIVED: Final = {"id": "event_uuid", "time": "event_time"}
_IDENTITIES: Final = {"externalId": "uid", "email": "email_id", "phone": "mobile_number"}
_LARGEST: Final = 1e15
_ENVELOPE: Final = ("app_name", "source", "moe_request_id")
_PERSONAL: Final = re.compile(
    r"(^|_)(uid|id|email|mail|phone|mobile|number|name|first|last|gender|birth|birthday|dob|address|street|zip|postcode|"
    r"ip|token|ecid|gaid|idfa|aaid|latitude|longitude|lat|lon)(_|$)"
)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE: Final = re.compile(r"\+[\d\s().-]{8,}\Z")


def sample_payload(event: dict[str, Any]) -> dict[str, Any]:
    """A batch with the canonical ``event`` as MoEngage posts it: what the bridge adds is taken away, personal values are masked."""
    inner = {key: value for key, value in event.items() if key not in _ENVELOPE and key not in _DERIVED}
    identities = inner.pop("identities", None)
    for added, own in _DERIVED.items():
        if event.get(own) is None and event.get(added) is not None:
            inner[own] = event[added]
    if isinstance(identities, dict):
        for added, own in _IDENTITIES.items():
            if inner.get(own) is None and identities.get(added) is not None:
                inner[own] = identities[added]
        known = inner.get("user_attributes")
        user_id = identities.get("moengageUserId")
        if user_id is not None and (known is None or (isinstance(known, dict) and "moengage_user_id" not in known)):
            inner["user_attributes"] = {**(known or {}), "moengage_user_id": user_id}
    outer: dict[str, Any] = {key: event[key] for key in _ENVELOPE if key in event}
    return {**outer, "events": [{key: _masked(key, value, personal=_is_personal(key)) for key, value in inner.items()}]}


def mask(value: Any) -> Any:
    """A plain value with its letters and digits replaced, so that its form can be seen and nothing else."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return type(value)(int("1" * len(f"{abs(value):.0f}"))) if abs(value) < _LARGEST else type(value)(0)
    if isinstance(value, str):
        return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "0", value))
    return value


def _is_personal(key: str) -> bool:
    # What names an event, a campaign, a template or the app is nobody's.
    if re.match(
        r"(event|campaign|template|app|moe|variation|locale|sdk|os|platform|browser|model|manufacturer)",
        key,
        re.IGNORECASE,
    ):
        return False
    return _PERSONAL.search(re.sub(r"(?<=[a-z])(?=[A-Z])|[\s.-]", "_", key).lower()) is not None


def _masked(key: str, value: Any, *, personal: bool) -> Any:
    if isinstance(value, dict):
        attributes = key == "user_attributes"
        return {
            name: _masked(name, one, personal=personal or attributes or _is_personal(name))
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_masked(key, one, personal=personal) for one in value]
    if personal and isinstance(value, str | int | float):
        return mask(value)
    if isinstance(value, str) and (_EMAIL.search(value) or _PHONE.match(value)):
        return mask(value)
    return value
