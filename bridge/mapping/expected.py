"""What a schema expects at a place of the output, as far as the generated function looks at it while it builds the event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


@dataclass(frozen=True, slots=True)
class Expected:
    """One place. ``check`` takes a value, ``place`` and a list for what is to be said; it gives the value to send.

    What it gives for a value that cannot stand there is of none of JSON's types: then the event is left to the whole check.
    """

    check: Callable[[Any, Any, list[Any]], Any]
    place: Any
    text: bool = False
    """Any text is right without a look."""
    texts: bool = False
    """A map of which every value may be any text."""
    fields: bool = False
    """An object whose properties can be looked at one by one; ``required``: those that it must have."""
    required: frozenset[str] = frozenset()
    seen: Collection[str] = ()
    """Texts that are known to be right."""


class Expecting(Protocol):
    """A schema that knows what it expects (:class:`bridge.xdm.schema.CompiledSchema`)."""

    def expected(self, names: tuple[str, ...], seen: Collection[str]) -> Expected | None:
        """The expectation at a place that is reached by names alone; None where anything may stand.

        ``seen``: timestamps that are known to be right.
        """
