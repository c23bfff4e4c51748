"""Events that a test can count: each is made of a number, and its ``_id`` gives the number back."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from bridge.sources.moengage.envelopes import events_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DIGITS = frozenset("0123456789abcdef")
_STEM = "6f1d0f6e-2a55-5f0a-9a9b-"


def uuid_of(number: int) -> str:
    """The ``event_uuid`` of event ``number``, which becomes the ``_id``; :func:`number_of` reads the number back."""
    return f"{_STEM}{number:012x}"


def number_of(identifier: str) -> int | None:
    """The number that :func:`uuid_of` made this of; None when it was made elsewhere."""
    number = identifier[len(_STEM) :]
    if not identifier.startswith(_STEM) or len(number) != 12 or not set(number) <= _DIGITS:
        return None
    return int(number, 16)


def event(number: int, **changes: Any) -> dict[str, Any]:
    """Event ``number`` as it stands in MoEngage's batch envelope, some 1 KB."""
    return {
        "event_name": "Email Sent",
        "event_code": "MOE_EMAIL_SENT",
        "event_uuid": uuid_of(number),
        "event_time": 1_763_000_000 + number % 86_400,
        "event_type": "CAMPAIGN_EVENT",
        "event_source": "MOENGAGE",
        "uid": f"crm-{number % 997}",
        "email_id": f"user{number % 997}@example.com",
        "event_attributes": {
            "campaign_id": f"c-{number % 7}",
            "campaign_name": "Ünïcode ✓ numbers",
            "campaign_type": "General",
            "campaign_channel": "Email",
            "number": str(number),
        },
        "user_attributes": {"moengage_user_id": f"moe-{number % 997}", "note": "x" * 300},
        "device_attributes": {"moengage_device_id": f"d-{number % 31}"},
        **changes,
    }


def batch(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """MoEngage's batch envelope."""
    return {"app_name": "Northwind", "source": "MOENGAGE", "moe_request_id": str(uuid.uuid4()), "events": list(events)}


def by_id(document: Any) -> dict[str, dict[str, Any]]:
    """The events of a document as the bridge makes them canonical, by their ``_id``."""
    return {found["id"]: found for found in events_of(document) if isinstance(found, dict)}
