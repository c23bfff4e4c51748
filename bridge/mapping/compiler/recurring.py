"""Rows whose source comes again and again, as event codes and the seconds of neighbours do: what was made of it once is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.functions.catalogue import FUNCTIONS
from bridge.mapping.syntax.nodes import Call, Lambda, MethodCall, PathRef, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.mapping.syntax.nodes import Node
    from bridge.mapping.syntax.paths import Path

KEYED: Final = frozenset({int, str})
"""Classes of source values whose result is kept; ``True`` and ``1.0`` equal 1, so no other number is."""
_MOST: Final = 1_024
_LONGEST: Final = 64
_OF_FEW_VALUES: Final = frozenset({"decode", "dformat"})
"""Functions of codes and instants; elsewhere, as for an address, keeping would cost more than it saves."""


class Recurring(dict[Any, Any]):
    """Source value -> what the row makes of it; only text is kept, which nobody can change."""

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, value: Any) -> Any:
        made = self._compute(value)
        if made.__class__ is str and (value.__class__ is int or len(value) <= _LONGEST):
            if len(self) >= _MOST:
                self.clear()
            self[value] = made
        return made


def recurring_path(node: Node) -> Path | None:
    """The one path that the expression depends on, where what it makes of a value is worth keeping; else None."""
    paths: set[Path] = set()
    few = False
    for part in walk(node):
        if isinstance(part, Lambda | MethodCall):
            return None
        if isinstance(part, PathRef):
            paths.add(part.path)
        elif isinstance(part, Call):
            function = FUNCTIONS.get(part.name)
            if function is None or not function.pure or function.needs_event:
                return None
            few |= part.name in _OF_FEW_VALUES
    return paths.pop() if few and len(paths) == 1 else None
