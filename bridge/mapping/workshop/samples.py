"""What sample events teach: which paths exist, with which kinds of values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.syntax.paths import Every, Index, Key, Path, print_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 500
"""Distinct plain values that are kept of a path."""


class Samples:
    """The paths of a number of canonical events. Elements of arrays share the path ``[*]``."""

    def __init__(self, events: Iterable[dict[str, Any]]) -> None:
        self.kinds: dict[Path, Counter[str]] = {}
        """Path -> how often each kind of value stood there."""
        self.examples: dict[Path, Any] = {}
        """Path -> the first value there that is neither null nor empty."""
        self._values: dict[Path, dict[Any, None]] = {}
        self.given = list(events)
        """The events themselves."""
        self.events = len(self.given)
        for event in self.given:
            for path, value in _leaves(event, ()):
                self.kinds.setdefault(path, Counter())[_kind(value)] += 1
                if value not in (None, "", [], {}):
                    self.examples.setdefault(path, value)
                    if not isinstance(value, dict | list):
                        known = self._values.setdefault(path, {})
                        if len(known) < MAX_VALUES:
                            known[value] = None
        self.paths = frozenset(print_path(path) for path in self.kinds)

    def has(self, path: Path) -> bool:
        """Whether any event has the path; an index counts as any element."""
        return _shared(path) in self.kinds

    def kind(self, path: Path) -> str | None:
        """The kind of value that always stands at the path (nulls apart), None when it varies or nothing does."""
        kinds = [kind for kind in self.kinds.get(_shared(path), ()) if kind != "null"]
        return kinds[0] if len(kinds) == 1 else None

    def example(self, path: Path) -> Any:
        """The first value at the path that is neither null nor empty."""
        return self.examples.get(_shared(path))

    def values(self, path: Path) -> list[Any]:
        """The distinct plain values at the path, in the order they came; empty text and null are none."""
        return list(self._values.get(_shared(path), ()))

    def below(self, path: Path) -> list[Path]:
        """The paths directly below the path, elements of arrays apart."""
        above = _shared(path)
        return [one for one in self.kinds if len(one) == len(above) + 1 and one[: len(above)] == above]


def _shared(path: Path) -> Path:
    return tuple(Every() if isinstance(segment, Index) else segment for segment in path)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if len(path) >= MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, (*path, Key(key)))
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, (*path, Every()))


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return kinds.get(type(value), "null")
