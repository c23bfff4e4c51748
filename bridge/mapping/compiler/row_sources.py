"""Which paths an expression reads, and which of them no sample event has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
from bridge.mapping.syntax.nodes import Call, Lambda, Literal, MethodCall, PathRef, walk
from bridge.mapping.syntax.paths import Key, Path, print_path
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.syntax.nodes import Node

_LEADING: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


class Paths(Protocol):
    """Sample events that know their paths (:class:`bridge.mapping.workshop.samples.Samples`)."""

    @property
    def paths(self) -> Iterable[str]:
        """Every path, printed."""

    def has(self, path: Path) -> bool:
        """Whether any event has the path."""


def paths_read(node: Node) -> list[tuple[Path, int]]:
    """The paths that the expression reads from the event, each with its position; parameters of lambdas are none."""
    parameters = {part.parameter for part in walk(node) if isinstance(part, Lambda)}
    bare = {id(name) for call in walk(node) if isinstance(call, Call | MethodCall) for name in _bare_names(call)}
    return [
        (part.path, part.position)
        for part in walk(node)
        if isinstance(part, PathRef) and id(part) not in bare and part.path[0] not in {Key(name) for name in parameters}
    ]


def sources(one: Prepared) -> list[tuple[Path, int]]:
    """The paths that a row reads from the event, each with its position in the cell."""
    if one.path is not None:
        return [(one.path, 1)]
    return [] if one.node is None else paths_read(one.node)


def reads_of(rows: Sequence[Prepared]) -> dict[Path, list[int]]:
    """Every path that the rows read, with their lines; also those that functions are told as text (``contains_key``, ``jmespath``)."""
    found: dict[Path, list[int]] = {}
    for one in rows:
        for path, _ in sources(one):
            found.setdefault(path, []).append(one.row.row)
        for node in walk(one.node) if one.node is not None else ():
            if isinstance(node, Call) and node.name in FUNCTIONS and FUNCTIONS[node.name].needs_event:
                for argument in node.arguments:
                    if isinstance(argument, Literal) and (match := _LEADING.match(str(argument.value))):
                        found.setdefault(tuple(map(Key, match[0].split("."))), []).append(one.row.row)
    return found


def unknown_paths(node: Node, samples: Paths) -> list[tuple[str, str | None]]:
    """Each path that no sample has, and the one that was probably meant."""
    unknown = dict.fromkeys(print_path(path) for path, _ in paths_read(node) if not samples.has(path))
    return [(path, nearest(path, samples.paths)) for path in unknown]


def _bare_names(call: Call | MethodCall) -> list[Any]:
    """Arguments that are names, not paths: ``object_to_map(addresses, type)``."""
    known = FUNCTIONS.get(call.name) if isinstance(call, Call) else METHODS.get(call.name)
    if known is None:
        return []
    return [
        argument
        for argument, parameter in zip(call.arguments, known.parameters, strict=False)
        if parameter.kind == "attribute" and isinstance(argument, PathRef) and len(argument.path) == 1
    ]
