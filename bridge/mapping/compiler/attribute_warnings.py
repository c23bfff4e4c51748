"""One attribute that became null, and the words for why: never a value of the event."""

from __future__ import annotations

from typing import NamedTuple

from bridge.model.errors import BridgeError


class AttributeWarning(NamedTuple):
    """One attribute became null. ``row`` is the line in the mapping set; ``reason`` never quotes a value of the event."""

    row: int
    source: str
    destination: str
    reason: str


def warn(
    warnings: list[AttributeWarning] | None, row: tuple[int, str, str], error: Exception
) -> list[AttributeWarning]:
    """``warnings`` (None while there is none) and one more, for an exception."""
    return fail(warnings, row, reason_of(error))


def fail(warnings: list[AttributeWarning] | None, row: tuple[int, str, str], reason: str) -> list[AttributeWarning]:
    """``warnings`` (None while there is none) and one more, for a reason in words."""
    warning = AttributeWarning(*row, reason)
    if warnings is None:
        return [warning]
    warnings.append(warning)
    return warnings


def reason_of(error: Exception) -> str:
    """Why a row failed, in words without any value of the event."""
    if isinstance(error, BridgeError):
        return str(error)
    if isinstance(error, RecursionError):
        return "the value is nested too deeply"
    if isinstance(error, TypeError | AttributeError):
        return "a value has a type that the expression cannot use"
    if isinstance(error, OverflowError):
        return "a number is too large"
    return f"the expression cannot be computed ({type(error).__name__})"
