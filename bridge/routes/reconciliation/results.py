"""A day's sum as JSON: what the command prints, and what is kept in the state topic for the time after the topic's retention."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.routes.reconciliation.day_sum import DaySum, EventSum, day_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.routes.reconciliation.day_sum import Reconciled

_MOST_CODES: Final = 500
"""Codes that are kept of a day; of more the most frequent."""


def reconciled_as_json(done: Reconciled) -> dict[str, Any]:
    """The whole answer."""
    return {
        "holds": done.holds,
        "days": [day_as_json(day) for day in done.days],
        "differences": [
            {
                "check": one.check,
                "day": None if one.day is None else day_name(one.day),
                "events": one.events,
                "what": one.words,
                "fix": one.fix,
            }
            for one in done.differences
        ],
        "notes": done.notes,
        "waiting_in_aep": done.waiting_in_aep,
    }


def day_as_json(day: DaySum) -> dict[str, Any]:
    """One day; null is what cannot be known."""
    return {
        "day": day_name(day.day),
        "distinct": day.distinct,
        "saved_at": day.saved_at,
        **_sum_as_json(day.total),
        "duplicates": day.duplicates,
        "replayed": day.replayed,
        "expired": day.expired,
        "ingest_letters": day.ingest_letters,
        "aep_ingested": day.ingested,
        "aep_failed": day.failed,
        # Adobe's documents name no way to ask for it by day.
        "aep_queue": None,
        "exported": day.exported,
        "codes": {code: _sum_as_json(part) for code, part in sorted(day.codes.items())},
    }


def _sum_as_json(part: EventSum) -> dict[str, Any]:
    return {
        "received": part.received,
        "in_kafka": part.in_kafka,
        "delivered": part.delivered,
        "open": part.open,
        "dead_letters": dict(sorted(part.dead.items())),
        "left_out": dict(sorted(part.left_out.items())),
    }


def key_of(group: str, topic: str, day: int) -> bytes:
    """Where a day's sum lies in the state topic."""
    return f"reconcile/{group}/{topic}/{day_name(day)}".encode()


def saved_value(day: DaySum, at: str) -> bytes:
    """What is kept of a day, reconciled at this time (ISO 8601)."""
    told = day_as_json(day)
    if len(told["codes"]) > _MOST_CODES:
        most = sorted(told["codes"], key=lambda code: -told["codes"][code]["received"])[:_MOST_CODES]
        told["codes"] = {code: told["codes"][code] for code in most}
    return orjson.dumps(told | {"saved_at": at})


def saved_day(value: bytes | None, day: int) -> DaySum | None:
    """Undo :func:`saved_value`; None where there is nothing, or nothing of ours."""
    if not value:
        return None
    try:
        told = orjson.loads(value)
        if told["day"] != day_name(day):
            return None
        return DaySum(
            day=day,
            total=_sum_of(told),
            codes={str(code): _sum_of(part) for code, part in told["codes"].items()},
            duplicates=told["duplicates"],
            replayed=told["replayed"],
            expired=int(told["expired"]),
            ingest_letters=int(told["ingest_letters"]),
            exported=told["exported"],
            distinct=bool(told["distinct"]),
            saved_at=str(told["saved_at"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _sum_of(told: Mapping[str, Any]) -> EventSum:
    return EventSum(
        received=int(told["received"]),
        in_kafka=int(told["in_kafka"]),
        delivered=int(told["delivered"]),
        open=int(told["open"]),
        dead=Counter({str(name): int(count) for name, count in told["dead_letters"].items()}),
        left_out=Counter({str(name): int(count) for name, count in told["left_out"].items()}),
    )
