"""Dates of the mapping language: Java patterns compiled once, the built-in formats, and the form dates leave in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.mapping.values.dates.fallback import FALLBACK_FORMATS, parse_date
from bridge.mapping.values.dates.formatting import epoch_formatter, formatter
from bridge.mapping.values.dates.parsing import parser
from bridge.mapping.values.dates.rfc3339 import is_ambiguous, of_epoch
from bridge.mapping.values.dates.zones import seconds_of, sexagesimal, zone

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "FALLBACK_FORMATS",
    "epoch_formatter",
    "formatter",
    "is_ambiguous",
    "iso",
    "of_epoch",
    "parse_date",
    "parser",
    "zone",
]


def iso(date: datetime) -> str:
    """ISO 8601 as XDM's date-time wants it: ``2020-09-25T15:17:31Z``.

    A fraction is printed only where there is one, milliseconds unless microseconds are needed; ``Z`` at offset zero.
    """
    seconds = seconds_of(date)
    text = date.replace(tzinfo=None).isoformat(timespec="seconds")
    if date.microsecond:
        digits = f"{date.microsecond:06d}"
        text += "." + (digits[:3] if digits.endswith("000") else digits)
    return text + (sexagesimal(seconds, ":") if seconds else "Z")
