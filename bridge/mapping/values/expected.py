"""What a schema expects at a place of the output, as far as the generated function looks at it while it builds the event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


LEFT_OUT: Final = object()
"""What a check gives for a value of which there is nothing to send, after it has said why."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One place. ``check`` takes a value, ``place`` and a list for what is to be said; it gives the value to send.

    It gives :data:`LEFT_OUT` where the value goes and the event stays. What it gives for any other value that cannot stand
    there is of none of JSON's types: then the event is left to the whole check.
    """

    check: Callable[[Any, Any, list[Any]], Any]
    place: Any
    text: bool = False
    """Any text is right without a look."""
    texts: Callable[[Any, Any, list[Any]], dict[str, Any] | None] | None = None
    """Of a map that takes any text: what makes one of an event's value at once; it gives null where ``check`` has to look."""
    fields: bool = False
    """An object whose properties can be looked at one by one; ``required``: those that it must have."""
    required: frozenset[str] = frozenset()
    seen: Collection[str] = ()
    """Texts that are known to be right."""


@runtime_checkable
class Expecting(Protocol):
    """A schema that knows what it expects (:class:`bridge.xdm.schema.compiled_schema.CompiledSchema`)."""

    def expected(self, names: tuple[str, ...], seen: Collection[str]) -> Expected | None:
        """The expectation at a place that is reached by names alone; None where anything may stand.

        ``seen``: timestamps that are known to be right.
        """
