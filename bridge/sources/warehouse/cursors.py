"""The cursor of an incremental run: how far one has come, from where the next begins, and how that is kept. Pure.

A text that is an ISO 8601 date or timestamp is one (SQLite and CSV have no other); of another text nothing can be subtracted.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

_DATE_LENGTH: Final = 10
_ONE_SECOND: Final = timedelta(seconds=1)


def later(one: Any, other: Any) -> Any:
    """The larger of two cursors, either of which may be None; of two that cannot be compared, as the column's type has changed, ``other``."""
    if one is None or other is None:
        return other if one is None else one
    try:
        return max(one, other)
    except TypeError:
        return other


def not_after(cursor: Any, now: datetime, zone: ZoneInfo) -> Any:
    """The cursor, or ``now`` where it lies in the future: one row of the year 2099 must not hide all that come after it.

    ``now`` is aware; a timestamp without a zone is in ``zone``.
    """
    if isinstance(cursor, datetime):
        limit = now.astimezone(cursor.tzinfo or zone).replace(tzinfo=cursor.tzinfo)
        return min(cursor, limit)
    if isinstance(cursor, date):
        return min(cursor, now.astimezone(zone).date())
    if isinstance(cursor, str) and (moment := _moment(cursor)) is not None:
        limit = now.astimezone(moment.tzinfo or zone).replace(tzinfo=moment.tzinfo)
        return cursor if moment <= limit else _like(limit, cursor)
    return cursor


def begin(cursor: Any, lag_seconds: float) -> Any:
    """From where the next run reads: the cursor without the lag; a number without as much of its own unit."""
    lag = timedelta(seconds=lag_seconds)
    try:
        if isinstance(cursor, datetime):
            return cursor - lag
        if isinstance(cursor, date):
            return cursor - timedelta(days=-(-lag_seconds // 86_400))
        if isinstance(cursor, bool):
            return cursor
        if isinstance(cursor, int):
            return cursor - int(lag_seconds)
        if isinstance(cursor, float):
            return cursor - lag_seconds
        if isinstance(cursor, Decimal):
            return cursor - Decimal(str(lag_seconds))
        if isinstance(cursor, str) and (moment := _moment(cursor)) is not None:
            # Texts are compared letter by letter: within one second the fraction's length would decide.
            return _like(
                moment.replace(microsecond=0) - lag - (_ONE_SECOND if len(cursor) > _DATE_LENGTH else timedelta()),
                cursor,
            )
    except OverflowError:
        return cursor
    return cursor


def to_kept(cursor: Any) -> dict[str, str]:
    """The cursor with its type, for JSON."""
    match cursor:
        case datetime():
            return {"type": "timestamp", "value": cursor.isoformat()}
        case date():
            return {"type": "date", "value": cursor.isoformat()}
        case bool() | int():
            return {"type": "integer", "value": str(int(cursor))}
        case float():
            return {"type": "float", "value": repr(cursor)}
        case Decimal():
            return {"type": "decimal", "value": str(cursor)}
        case _:
            return {"type": "text", "value": str(cursor)}


def from_kept(kept: Mapping[str, str]) -> Any:
    """The cursor of what :func:`to_kept` gave; raises ``ValueError`` or ``KeyError`` for anything else."""
    readers: dict[str, Any] = {
        "timestamp": datetime.fromisoformat,
        "date": date.fromisoformat,
        "integer": int,
        "float": float,
        "decimal": Decimal,
        "text": str,
    }
    return readers[kept["type"]](kept["value"])


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _like(moment: datetime, text: str) -> str:
    """A moment in whole seconds, written as ``text`` is."""
    if len(text) == _DATE_LENGTH:
        return moment.date().isoformat()
    written = moment.replace(microsecond=0).isoformat(sep=text[_DATE_LENGTH])
    return written.removesuffix("+00:00") + "Z" if text.endswith("Z") and moment.tzinfo == UTC else written
