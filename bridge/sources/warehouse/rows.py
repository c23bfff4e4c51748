"""A row becomes a record: a JSON object whose members are its columns, its key as text, and a hash that tells it from others. Pure.

Values stay what they are, to the last digit:

==========================  ==========================================================================================
integer                     number; beyond 64 bits its digits as text
decimal                     number where a double prints it as it is, else its digits as text
float                       number; NaN and the infinities are null
date                        ``2026-01-31``
timestamp                   UTC, ``2026-01-31T08:00:00Z``, its fraction only where it has one; without a zone it is taken in the settings'
time, UUID, interval        text; an interval in seconds
bytes                       base64
array, JSON, struct         as they are, members by the same rules
==========================  ==========================================================================================
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.model.errors import BridgeError
from bridge.sources.http.json_exact import exact_decimal, exact_integer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

KEY_MISSING: Final = "key_missing"
KEY_LONG: Final = "key_long"
RULES: Final = {
    KEY_MISSING: "the key is null or blank",
    KEY_LONG: "the key is longer than 512 bytes",
}
"""Why a row cannot be told from others, by rule; such rows are counted and never sent."""
CUSTOMER: Final = "customer_id"
_LONGEST_KEY: Final = 512
_HASH_BYTES: Final = 16
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it leaves: ``key`` unique in its route, ``hash`` in hex digits, ``value`` the record, ``customer`` whose it is.

    ``cursor`` is the value of the cursor's column as the database gave it; None where there is none.
    """

    key: str
    hash: str
    value: bytes
    customer: str | None
    cursor: Any = None


class RowForm:
    """Makes rows of the values of ``columns``.

    ``key``: names of the columns that tell rows apart. ``users``: a row is a user, whose id is the key where no column is called
    ``customer_id``. ``zone``: of timestamps without one. Raises ``BridgeError`` where a column is not among them, or two have one name.
    """

    __slots__ = ("_cursor", "_customer", "_default", "_key", "columns")

    def __init__(
        self, columns: Sequence[str], *, key: Sequence[str], users: bool, zone: ZoneInfo, cursor: str | None = None
    ) -> None:
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise BridgeError(
                f"several columns are called {', '.join(twice)}", hint="give each a name of its own in the query (AS)"
            )
        if not key:
            raise BridgeError(
                "BRIDGE_WAREHOUSE__KEY is not set",
                hint=f"the columns are: {', '.join(columns)}; name those whose values identify a row",
            )
        self.columns = tuple(columns)
        self._key = [place_of(columns, name, "BRIDGE_WAREHOUSE__KEY") for name in key]
        self._cursor = None if cursor is None else place_of(columns, cursor, "BRIDGE_WAREHOUSE__CURSOR")
        if CUSTOMER in columns:
            self._customer: int | None = columns.index(CUSTOMER)
        else:
            self._customer = self._key[0] if users and len(key) == 1 else None
        self._default = PlainValues(zone).plain

    def read(self, values: Sequence[Any]) -> Row | str:
        """The row of these values, or the rule (:data:`RULES`) by which there is none."""
        key = self._key_of(values)
        if not key:
            return KEY_MISSING
        if len(key) * 4 > _LONGEST_KEY and len(key.encode("utf-8", errors="replace")) > _LONGEST_KEY:
            return KEY_LONG
        value = self._encode(values)
        customer = None if self._customer is None else key_text(values[self._customer])
        cursor = None if self._cursor is None else values[self._cursor]
        return Row(key, blake2b(value, digest_size=_HASH_BYTES).hexdigest(), value, customer, cursor)

    def documents(self, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Rows as the events that they leave as."""
        return [orjson.loads(self._encode(values)) for values in rows]

    def _key_of(self, values: Sequence[Any]) -> str:
        if len(self._key) == 1:
            return key_text(values[self._key[0]])
        parts = [key_text(values[place]) for place in self._key]
        return orjson.dumps(parts).decode() if all(parts) else ""

    def _encode(self, values: Sequence[Any]) -> bytes:
        row = dict(zip(self.columns, values, strict=True))
        try:
            return orjson.dumps(row, default=self._default, option=_OPTIONS)
        except orjson.JSONEncodeError:
            # An integer beyond 64 bits, half a surrogate pair, or a type that nobody knew of.
            return orjson.dumps(_every(row, self._default))


class PlainValues:
    """Values that JSON has no form for; ``zone`` is that of timestamps without one."""

    __slots__ = ("_zone",)

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def plain(self, value: Any) -> Any:
        """The value as JSON has it."""
        match value:
            case Decimal():
                return exact_decimal(f"{value:f}") if value.is_finite() else None
            case datetime():
                return self._moment(value)
            case date() | time():
                return value.isoformat()
            case timedelta():
                return exact_decimal(f"{Decimal(value // timedelta(microseconds=1)) / 1_000_000:f}")
            case bytes() | bytearray() | memoryview():
                return base64.b64encode(value).decode()
            case set() | frozenset():
                return sorted(value, key=str)
            case tuple():
                return list(value)
            case _:
                return str(value)

    def _moment(self, value: datetime) -> str:
        aware = value if value.tzinfo is not None else value.replace(tzinfo=self._zone)
        try:
            aware = aware.astimezone(UTC)
        except OverflowError:
            return value.isoformat()
        return aware.replace(tzinfo=None).isoformat() + "Z"


def key_text(value: Any) -> str:
    """A key as text: equal values have one text; blank for null."""
    match value:
        case str():
            return value.strip()
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | uuid.UUID():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case Decimal():
            text = f"{value:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case _:
            return str(value)


def place_of(columns: Sequence[str], name: str, setting: str) -> int:
    """Where the column is, by its name, or by the only name that differs from it in case alone. Raises ``BridgeError``."""
    if name in columns:
        return list(columns).index(name)
    alike = [place for place, column in enumerate(columns) if column.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    raise BridgeError(f"{setting}: there is no column {name}", hint=f"the columns are: {', '.join(columns)}")


def _every(value: Any, default: Any) -> Any:
    """A value with all that is in it in a form that every writer takes."""
    kind = value.__class__
    if kind is str:
        return value.encode("utf-8", errors="replace").decode()
    if kind is int:
        return exact_integer(str(value))
    if value is None or kind is bool or kind is float:
        return value
    if kind is dict:
        return {_every(str(name), default): _every(inner, default) for name, inner in value.items()}
    if kind is list or kind is tuple:
        return [_every(inner, default) for inner in value]
    return _every(default(value), default)
