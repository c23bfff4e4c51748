"""The check of date fields: text in the shape of XDM stays, other dates are coerced as Data Prep does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.values.coercion import to_date
from bridge.mapping.values.dates.conversion import is_ambiguous, iso, of_epoch
from bridge.mapping.values.failures import FunctionError
from bridge.xdm.problems import EventFinding
from bridge.xdm.required import parse_date_time
from bridge.xdm.schema.value_checks import Place, Said, Wrong, constraints, pointer, wrong, wrong_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bridge.xdm.schema.fields import SchemaField

DATES: Final = frozenset({"date-time", "date"})
_KEPT: Final = 4_096
_MILLISECONDS: Final = 100_000_000_000
"""Below it a number of milliseconds lies before 1974: it is rather one of seconds, a year or a day."""
AMBIGUOUS: Final = 'day or month first? read as Data Prep does, month first; date(x, "dd/MM/yyyy") says otherwise'
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch


def date_check(field: SchemaField) -> Callable[[Any, Place, Said], Any]:
    """The check of a text field whose format is ``date-time`` or ``date``."""
    name = field.format
    with_time = name == "date-time"
    right: set[str] = set()
    held = constraints(field)

    def check(value: Any, place: Place, said: Said) -> Any:
        # Neighbours share their second: what has been found right need not be taken apart again.
        if type(value) is str and value in right:
            return value
        text: str | None = None
        if type(value) is str and (parse_date_time(value) is not None if with_time else _is_date(value)):
            text = value
        else:
            try:
                moment = _moment(value)
                text = iso(moment) if with_time else iso(moment)[:10]
            except (FunctionError, ValueError, OverflowError):
                return _no_date(place, name or "", value)
            if type(value) is str and is_ambiguous(value):
                said.append(EventFinding(pointer(place), "date_ambiguous", AMBIGUOUS))
        if held is not None and (faults := held(text)):
            return wrong(place, text, *faults)
        if text is value:
            if len(right) >= _KEPT:
                right.clear()
            right.add(text)
        return text

    return check


def _moment(value: Any) -> datetime:
    """A date, the text of one, or epoch milliseconds; a number too small for those is rather one of seconds."""
    if type(value) is int or type(value) is float:
        if abs(value) < _MILLISECONDS:
            raise FunctionError("the number is too small for epoch milliseconds")
        return of_epoch(value)
    return to_date(value)


def _no_date(place: Place, name: str, value: Any) -> Wrong:
    if type(value) is str:
        return wrong(place, value, ("xdm_format", f"string is not a valid {name}, nor one of Data Prep's date formats"))
    return wrong_type(place, "string", value)


def _is_date(text: str) -> bool:
    return _DATE(text) is not None and parse_date_time(f"{text}T00:00:00Z") is not None
