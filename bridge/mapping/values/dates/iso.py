"""Dates as they leave the bridge: ISO 8601 in UTC with ``Z``, without a fraction when it is zero."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.mapping.values.dates.conversion import iso
from bridge.mapping.values.failures import FunctionError


def utc_text(moment: datetime) -> str:
    """``2024-11-12T14:20:00Z``. A date without a zone counts as UTC. Raises ``FunctionError`` beyond the years 1 to 9999."""
    try:
        return iso(moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise FunctionError("the date is beyond the years 1 to 9999") from None
