"""Whether what a source gives is what a field of the schema takes, asked of the schema's own check over every sample event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.compiler.output.output_values import clean, follow
from bridge.mapping.syntax.paths import Key, Path, parse_path
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.rules import Rules


class Checking(Protocol):
    """A compiled schema (:class:`bridge.xdm.schema.compiled_schema.CompiledSchema`)."""

    def check(self, xdm: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Any], Sequence[Any]]:
        """Give the event as it would leave, findings, and what it would be refused for."""


class Fit:
    """Tries sources for fields over the sample events. ``rules``: those of the destination."""

    def __init__(self, schema: Checking, events: Sequence[dict[str, Any]], rules: Rules) -> None:
        self.rules = rules
        self._schema = schema
        self._events = events

    def values(self, source: Path | str) -> list[Any] | None:
        """What a path or an expression gives for each event, nulls left out; None where it fails for one of them."""
        if isinstance(source, str):
            try:
                expression = compile_expression(source)
            except BridgeError:
                return None
            evaluated = [expression.evaluate(event) for event in self._events]
            if any(one.reason is not None for one in evaluated):
                return None
            found = [one.value for one in evaluated]
        else:
            found = [follow(event, source) for event in self._events]
        try:
            return [value for one in found if (value := clean(one)) is not None]
        except BridgeError:
            return None

    def accepts(self, field: str, source: Path | str) -> bool:
        """Whether the schema takes everything that the source gives at ``field``; nothing at all is not enough to tell."""
        values = self.values(source)
        return bool(values) and all(self.refusals(field, value) == [] for value in values or ())

    def refusals(self, field: str, value: Any) -> list[str]:
        """JSON pointers below ``field`` (``""`` for itself) at which the schema refuses the value or leaves something out."""
        path = parse_path(field)
        xdm: Any = value
        for segment in reversed(path):
            if not isinstance(segment, Key):
                return ["/"]
            xdm = {segment.name: xdm}
        pointer = "#/" + "/".join(
            segment.name.replace("~", "~0").replace("/", "~1") for segment in path if isinstance(segment, Key)
        )
        _, findings, violations = self._schema.check(xdm)
        faults = [*(one for one in findings if one.code in self.rules.refusals), *violations]
        return [one.path[len(pointer) :] for one in faults if one.path == pointer or one.path.startswith(pointer + "/")]


def child_at(pointer: str) -> str | None:
    """The child of an array's element that a pointer such as ``/0/name`` is about; None when it is about the element."""
    match = re.match(r"/\d+/([^/]+)", pointer)
    return None if match is None else match[1].replace("~1", "/").replace("~0", "~")
