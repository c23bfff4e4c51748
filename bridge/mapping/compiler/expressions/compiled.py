"""What compiling one expression gives: a constant, a Python expression, or a problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.mapping.values import pycode as py


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression cannot run; ``position`` counts characters from 1."""

    code: str
    message: str
    position: int | None = None
    fix: str | None = None
    severity: str = "error"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known now."""

    value: Any


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A Python expression; ``boolean`` when its value is always True or False."""

    code: py.Expr
    boolean: bool = False


Compiled = Constant | Dynamic


def values_of(parts: Sequence[Compiled]) -> tuple[list[Any]] | None:
    """The values of ``parts`` when all are constant, in a tuple so that no values at all is told from not constant."""
    values = [part.value for part in parts if isinstance(part, Constant)]
    return (values,) if len(values) == len(parts) else None
