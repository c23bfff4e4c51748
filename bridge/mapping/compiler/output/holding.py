"""Statements that hold a value to what a schema expects as it is written, or leave the event to the whole check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.compiler.output.destinations import IDENTITY_MAP
from bridge.mapping.values import pycode as py
from bridge.mapping.values.expected import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.mapping.values.expected import Expected

NAMES: Final[Mapping[str, Any]] = {"PLAIN": frozenset({str, int, float, bool, dict, list}), "LEFT_OUT": LEFT_OUT}
"""What the statements need in reach."""


def required(variable: str, names: frozenset[str]) -> list[py.Stmt]:
    """Give up where the object in ``variable`` lacks a property; the identityMap only counts when it is ruled."""
    give_up = [py.give(py.const(None))]
    body: list[py.Stmt] = []
    for name in sorted(names):
        if variable == "o" and IDENTITY_MAP.name == name:
            body.append(py.when(py.is_(py.name("m"), py.const(None)), give_up))
        else:
            body.append(py.when(py.no(py.within(py.const(name), py.name(variable))), give_up))
    return body


def checked(bind: Callable[[str, Any], str], variable: str, parent: str, key: str, expected: Expected) -> list[py.Stmt]:
    """Write what the schema makes of the value in ``variable``, or give up; ``bind`` names an object after a letter."""
    check, place = bind("x", expected.check), bind("s", expected.place)
    sent = py.name("d")
    return [
        py.assign(py.call(check, py.name(variable), py.name(place), py.name("s")), "d"),
        py.when(
            py.within(py.attribute(sent, "__class__"), py.name("PLAIN")),
            [py.put(parent, py.const(key), sent)],
            [py.when(py.is_not(sent, py.name("LEFT_OUT")), [py.give(py.const(None))])],
        ),
    ]
