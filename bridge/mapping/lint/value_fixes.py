"""Why values do not fit a field, in words that quote them, and the expression that would make them fit.

For the workshop only, whose user has the events before them; logs and dead letters never quote values.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.compiler.output.output_values import follow
from bridge.mapping.lint.date_texts import date_pattern, epoch_unit
from bridge.mapping.syntax.nodes import Call, Literal, PathRef, walk
from bridge.mapping.syntax.paths import print_path
from bridge.mapping.values.dates.fallback import NO_FORMAT
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.syntax.nodes import Node
    from bridge.mapping.syntax.paths import Path

ISO: Final = "yyyy-MM-dd'T'HH:mm:ssX"
_SHOWN: Final = 3
_ALLOWED: Final = 12


def explained(
    code: str, reason: str, values: Mapping[Any, int], field: Any, row: Prepared | None
) -> tuple[str, str | None]:
    """The reason with values and allowed values, and the fix where one is known."""
    if reason == NO_FORMAT and (path := _dated(row)) is not None:
        fix = into_date(print_path(path), list(values))
        return reason, None if row is not None and fix == row.source else fix
    if code == "timestamp_implausible":
        return reason, _in_milliseconds(row)
    if field is None or not values:
        return reason, None
    shown = ", ".join(_quoted(value) for value in list(values)[:_SHOWN]) + (", …" if len(values) > _SHOWN else "")
    source = None if row is None or row.row.source_type == "STATIC" else row.source
    if code == "xdm_enum" and field.enum:
        allowed = [value for value in field.enum if value is not None]
        listed = ", ".join(map(str, allowed[:_ALLOWED])) + (", …" if len(allowed) > _ALLOWED else "")
        return f"{shown} is not one of {listed}", source and _into_enum(source, list(values), allowed)
    if code in ("xdm_format", "DCVS-1104") and field.format in ("date", "date-time"):
        return f"{shown} is no {field.format}", source and into_date(source, list(values))
    if code in ("xdm_format", "DCVS-1103", "DCVS-1104", "xdm_range", "xdm_length"):
        return f"{reason} ({shown})", None
    return reason, None


def into_date(source: str, values: Sequence[Any]) -> str | None:
    """The expression that makes a date of what ``source`` holds, where all ``values`` have one form."""
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == len(values):
        if all(text.isdecimal() for text in texts) and (unit := epoch_unit([float(text) for text in texts])):
            return _instant(f"to_integer({source})", unit)
        found = date_pattern(texts)
        if found is None:
            return None
        return f"date({source})" if found.pattern is None else f"date({source}, {json.dumps(found.pattern)})"
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values) and (unit := epoch_unit(numbers)):
        return _instant(source, unit)
    return None


def _instant(source: str, unit: str) -> str:
    return f'dformat({source}{" * 1000" if unit == "seconds" else ""}, "{ISO}")'


def date_hint(reason: str, node: Node, event: dict[str, Any]) -> str | None:
    """For a text that no built-in format reads: the pattern to give, or what else makes a date of it."""
    if reason != NO_FORMAT:
        return None
    texts = [
        str(value)
        for part in walk(node)
        if isinstance(value := _text_of(part, event), str) and (part is not node or isinstance(part, Literal))
    ]
    for text in texts:
        if text.isdecimal() and (unit := epoch_unit([float(text)])):
            return f"it looks like an epoch in {unit}: {_instant('to_integer(…)', unit)}"
        found = date_pattern([text])
        if found is not None and found.pattern is not None:
            either = " (or day and month the other way round)" if found.ambiguous else ""
            return f"it has the form {found.pattern}{either}: give that as second argument"
    return None


def _dated(row: Prepared | None) -> Path | None:
    """The path that the row reads as a date without a pattern: ``date(PATH)``."""
    node = None if row is None else row.node
    if not isinstance(node, Call) or node.name != "date" or len(node.arguments) != 1:
        return None
    (argument,) = node.arguments
    return argument.path if isinstance(argument, PathRef) else None


def _text_of(part: Node, event: dict[str, Any]) -> Any:
    if isinstance(part, Literal):
        return part.value
    return follow(event, part.path) if isinstance(part, PathRef) else None


def _in_milliseconds(row: Prepared | None) -> str | None:
    """The row's ``dformat`` of a path with the seconds made milliseconds."""
    node = None if row is None else row.node
    if not isinstance(node, Call) or node.name != "dformat" or not isinstance(node.arguments[0], PathRef):
        return None
    return _instant(print_path(node.arguments[0].path), "seconds")


def _into_enum(source: str, values: Sequence[Any], allowed: Sequence[Any]) -> str | None:
    texts = [str(value) for value in values]
    known = {str(value) for value in allowed}
    for function, turned in (("upper", str.upper), ("lower", str.lower), ("trim", str.strip)):
        if all(turned(text) in known for text in texts):
            return f"{function}({source})"
    folded = {value.casefold(): value for value in known}
    pairs = [(text, folded.get(text.casefold()) or nearest(text, known)) for text in texts if text not in known]
    if not pairs or any(meant is None for _, meant in pairs):
        return None
    return f"decode({source}, " + ", ".join(f"{json.dumps(a)}, {json.dumps(b)}" for a, b in pairs) + f", {source})"


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
