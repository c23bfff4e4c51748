"""``property=`` filters as Schema Registry and Flow Service read them.

``property=name==X`` (operators ``== != < <= > >=``), a bare name means that it exists, a comma means any of, several
``property`` mean all. A path may go below with dots, and into arrays with ``[]``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_CONDITION: Final = re.compile(r"(?P<path>[^=!<>~]+)(?:(?P<sign>==|!=|<=|>=|<|>|~|=)(?P<value>.*))?", re.DOTALL)
_NOTHING: Final = object()


class UnknownOperator(ValueError):  # noqa: N818
    """The operator is not implemented."""


def kept(rows: Iterable[Mapping[str, Any]], conditions: Sequence[str], *, commas: bool) -> list[Mapping[str, Any]]:
    """The rows for which every condition holds. ``commas``: a value is a list of which one must fit."""
    tests = [_test(condition, commas=commas) for condition in conditions]
    return [row for row in rows if all(test(row) for test in tests)]


def values_at(row: Any, path: str) -> Iterator[Any]:
    """Everything that stands at a path: ``a.b``, ``list[].c``. A name with dots or colons in it is found as it is, too."""
    if isinstance(row, dict) and path in row:
        yield row[path]
        return
    head, _, rest = path.partition(".")
    each = head.endswith("[]")
    value = row.get(head.removesuffix("[]"), _NOTHING) if isinstance(row, dict) else _NOTHING
    if value is _NOTHING:
        return
    for item in value if each and isinstance(value, list) else [value]:
        if rest:
            yield from values_at(item, rest)
        else:
            yield item


def _test(condition: str, *, commas: bool) -> Callable[[Mapping[str, Any]], bool]:
    found = _CONDITION.fullmatch(condition)
    if found is None or found["sign"] in ("~", "="):
        raise UnknownOperator(condition)
    path, sign, value = found["path"], found["sign"], found["value"]
    if sign is None:
        return lambda row: any(True for _ in values_at(row, path))
    wanted = value.split(",") if commas and sign == "==" else [value]

    def test(row: Mapping[str, Any]) -> bool:
        there = [one for value in values_at(row, path) for one in (value if isinstance(value, list) else [value])]
        if sign == "!=":
            return all(_text(one) != value for one in there)
        return any(_holds(one, sign, other) for one in there for other in wanted)

    return test


def _holds(value: Any, sign: str, other: str) -> bool:
    if sign == "==":
        return _text(value) == other
    left: Any = value
    right: Any = other
    if isinstance(value, int | float):
        try:
            right = float(other)
        except ValueError:
            return False
    else:
        left = _text(value)
    below, same = bool(left < right), bool(left == right)
    return {"<": below, "<=": below or same, ">": not below and not same, ">=": not below}[sign]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
