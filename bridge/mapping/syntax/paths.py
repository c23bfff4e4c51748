r"""Paths into an event and into XDM: ``a.b[0].c``, ``items[*].sku``, ``${First Name}``, ``street\.name``.

Source: reference of Adobe Data Prep, "Paths and syntax". Keys are case-sensitive. One grammar serves plain source paths
and destinations; paths inside expressions come from :mod:`bridge.mapping.syntax.parser` and share these types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bridge.model.errors import BridgeError

MAX_SEGMENTS: Final = 64
MAX_INDEX: Final = 9_999


@dataclass(frozen=True, slots=True)
class Key:
    r"""A child by name. ``dotted``: written as ``${a.b}``, which also means the path a.b where no child has that name."""

    name: str
    dotted: bool = False

    @property
    def steps(self) -> tuple[Key, ...]:
        """The path that a dotted name also means."""
        return tuple(Key(name) for name in self.name.split("."))


@dataclass(frozen=True, slots=True)
class Index:
    """An element of an array, from 0."""

    value: int


@dataclass(frozen=True, slots=True)
class Every:
    """All elements of an array: ``[*]``."""


Segment = Key | Index | Every
Path = tuple[Segment, ...]

IDENTIFIER: Final = re.compile(r"(?:[^\W\d]|\$(?!\{))(?:\w|\$(?!\{))*\Z")
_PLAIN: Final = re.compile(
    r"(?:(?:[^\W\d]|\$(?!\{))(?:\w|\$(?!\{)|\\\.)*|\$\{(?:[^}\\]|\\.)+\})"
    r"(?:\[(?:\d+|\*)\]|\.(?:(?:[^\W\d]|\$(?!\{))(?:\w|\$(?!\{)|\\\.)*|\$\{(?:[^}\\]|\\.)+\}))*\Z"
)
_OPEN_TEXT: Final = re.compile(r"[^()\"'+*/<>=!&|?,{}%~^;]+\Z")


class PathProblem(BridgeError):  # noqa: N818 - it is a value of lint as often as an error
    """Text is not a path; ``position`` counts characters from 1."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def is_plain_path(text: str) -> bool:
    """Whether ``text`` is a path written as the reference asks, so that it can never be an expression."""
    return _PLAIN.match(text) is not None


def could_be_path(text: str) -> bool:
    """Whether ``text`` has nothing in it that only an expression has (a name with a blank or a hyphen, for instance)."""
    return _OPEN_TEXT.match(text) is not None


def parse_path(text: str) -> Path:
    """The path that ``text`` spells; names may hold any character except ``. [ ]`` unless escaped or in ``${...}``.

    Raises :class:`PathProblem`.
    """
    segments: list[Segment] = []
    at, end = 0, len(text)
    while True:
        at = _name(text, at, end, segments)
        while at < end and text[at] == "[":
            at = _bracket(text, at, segments)
        if len(segments) > MAX_SEGMENTS:
            raise PathProblem(f"a path has at most {MAX_SEGMENTS} segments", at)
        if at == end:
            return tuple(segments)
        if text[at] != ".":
            raise PathProblem(f"unexpected {text[at]!r} in a path", at + 1)
        at += 1


def _name(text: str, at: int, end: int, segments: list[Segment]) -> int:
    start = at
    wrapped = text.startswith("${", at)
    at += 2 if wrapped else 0
    name: list[str] = []
    dotted = False
    while at < end:
        letter = text[at]
        dotted = dotted or (wrapped and letter == ".")
        if letter == "\\" and at + 1 < end and (wrapped or text[at + 1] in ".[]\\"):
            at += 1
            letter = text[at]
        elif (wrapped and letter == "}") or (not wrapped and letter in ".[]"):
            break
        name.append(letter)
        at += 1
    if wrapped:
        if at == end:
            raise PathProblem("${ without its closing }", start + 1)
        at += 1
    if not name:
        raise PathProblem("a name is missing", start + 1)
    segments.append(wrapped_key("".join(name), dotted=dotted))
    return at


def wrapped_key(name: str, *, dotted: bool) -> Key:
    """The key of ``${name}``; ``dotted`` where a dot of it was not escaped, and it could be a path as well."""
    return Key(name, dotted=dotted and all(name.split(".")))


def _bracket(text: str, at: int, segments: list[Segment]) -> int:
    close = text.find("]", at)
    if close < 0:
        raise PathProblem("[ without its closing ]", at + 1)
    inside = text[at + 1 : close].strip()
    if inside == "*":
        segments.append(Every())
    elif inside.isascii() and inside.isdigit() and len(inside) <= 6 and int(inside) <= MAX_INDEX:
        segments.append(Index(int(inside)))
    elif len(inside) > 1 and inside[0] == inside[-1] and inside[0] in "'\"":
        segments.append(Key(inside[1:-1]))
    else:
        raise PathProblem(f"[ ] holds a number from 0 to {MAX_INDEX} or *", at + 2)
    return close + 1


def print_path(path: Path) -> str:
    """The text of a path; :func:`parse_path` and the expression grammar read it back to the same path."""
    parts: list[str] = []
    for segment in path:
        if isinstance(segment, Key):
            parts.append(("." if parts else "") + print_step(segment))
        elif isinstance(segment, Index):
            parts.append(f"[{segment.value}]")
        else:
            parts.append("[*]")
    return "".join(parts)


def print_step(key: Key, *, reserved: frozenset[str] = frozenset()) -> str:
    """One key as :func:`print_key` writes its name; a dot that was not escaped keeps both its meanings."""
    printed = print_key(key.name, reserved=reserved)
    return printed.replace("\\.", ".") if key.dotted else printed


def print_key(name: str, *, reserved: frozenset[str] = frozenset()) -> str:
    """One name of a path, wrapped as ``${...}`` where it is no identifier or is ``reserved``."""
    if IDENTIFIER.match(name) and name not in reserved:
        return name
    inner = name.replace("\\", "\\\\").replace(".", "\\.").replace("}", "\\}")
    return "${" + inner + "}"
