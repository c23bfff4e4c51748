"""How long an answer asks to wait."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_RETRY_AFTER = 3600.0
"""Seconds; a longer ``Retry-After`` is cut to this, so that a wrong clock cannot stop delivery for days."""


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds to wait from ``Retry-After``, given in seconds or as an HTTP date; ``None`` when absent or unreadable.

    A date counts from the answer's own ``Date``, so that two clocks need not agree; only without one from ``now``, in
    seconds since 1970.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        # Some proxies add a header of their own to the service's, and both arrive as one.
        seconds = max(map(float, value.split(",")))
    except ValueError:
        until, sent = seconds_since_1970(value), seconds_since_1970(headers.get("date", ""))
        if until is None:
            return None
        seconds = until - (now if sent is None else sent)
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def seconds_since_1970(value: str) -> float | None:
    """The instant of an HTTP date; None for any other text."""
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
