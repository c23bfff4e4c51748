"""What mirror tells MoEngage of a row that is gone, as an event that the mapping set takes like a row. Pure.

The event has the columns of the key, ``customer_id``, and ``sync_vanished`` with ``update_existing_only`` (nobody is created to be told
that he is gone) and ``unset_attributes``, or ``action`` and ``user_time``.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bridge.settings import WarehouseSettings

VANISHED = "sync_vanished"


def vanished_event(
    key: str, customer: str, settings: WarehouseSettings, attributes: Iterable[str], now: datetime
) -> bytes:
    """The record's value. ``attributes``: names of the user's attributes that the mapping set writes."""
    parts: Sequence[Any] = (key,) if len(settings.key) == 1 else orjson.loads(key)
    event: dict[str, Any] = dict(zip(settings.key, parts, strict=True))
    return orjson.dumps(event | {"customer_id": customer, VANISHED: _told(settings, attributes, now)})


def _told(settings: WarehouseSettings, attributes: Iterable[str], now: datetime) -> dict[str, Any]:
    if settings.vanished == "event":
        return {
            "action": settings.vanished_event,
            "user_time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    unset = [{"type": "equals", "attr": name, "case_sensitive": True} for name in sorted(set(attributes))]
    return {"update_existing_only": True, "unset_attributes": unset}
