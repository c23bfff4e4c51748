"""What a Data Prep function is: the single source for evaluator, lint, documentation and ``mapping functions``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.mapping.values.failures import FunctionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Callee = TypeVar("Callee", bound="Callable[..., Any]")


__all__ = [
    "NOT_CONSTANT",
    "Attribute",
    "Function",
    "FunctionError",
    "NotConstant",
    "Parameter",
    "function",
    "method",
    "methods",
    "registered",
]


class NotConstant:
    """The type of :data:`NOT_CONSTANT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NOT_CONSTANT"


NOT_CONSTANT: Final = NotConstant()
"""Stands for an argument whose value is known only with an event."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An argument that was written as one bare name: the name itself and what the event holds under it.

    Adobe writes ``object_to_map(addresses, type)`` where ``type`` names an attribute of the elements, not of the event.
    Only parameters of kind ``attribute`` are given one; at compile time (``specialize``) such an argument is
    :data:`NOT_CONSTANT`.
    """

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as the catalogue writes it.

    ``kind`` is a word for lint: string, number, boolean, date, any, array, map, lambda (a Python callable is passed),
    attribute (a bare name is passed as :class:`Attribute`).
    """

    name: str
    kind: str = "any"
    required: bool = True
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the mapping language.

    ``call`` takes evaluated arguments by position. Values are what JSON gives (None, bool, int, float, str, list, dict)
    and aware ``datetime`` for dates. It raises :class:`FunctionError` (or any ordinary exception) to null the attribute.

    ``specialize``, where there is one, is asked once at compile time with each argument's constant value or
    :data:`NOT_CONSTANT`; it returns the callable to use at that place (same positional arguments), with regexes, date
    patterns and JMESPath compiled, or None to fall back on ``call``; it raises :class:`FunctionError` when a constant is wrong
    (a finding at compile time).

    ``needs_event``: the event (dict) is passed before the other arguments. ``lazy``: the compiler evaluates arguments as
    needed (iif, coalesce, decode); ``call`` is then the eager reference. ``method``: may also stand as ``value.name(...)``.
    ``pure`` functions of constants are folded at compile time (``now``, ``uuid`` and the like are not pure).
    ``refused``: why lint refuses it (its algorithm is undocumented); it is never guessed.
    ``availability``: ``all dataflows`` or the flows the catalogue names; lint tells where it would not work.
    """

    name: str
    call: Callable[..., Any]
    category: str
    summary: str
    parameters: tuple[Parameter, ...] = ()
    returns: str = "any"
    aliases: tuple[str, ...] = ()
    availability: str = "all dataflows"
    specialize: Callable[[Sequence[Any]], Callable[..., Any] | None] | None = None
    needs_event: bool = False
    lazy: bool = False
    method: bool = False
    pure: bool = True
    refused: str | None = None

    @property
    def arity(self) -> tuple[int, int | None]:
        """Fewest and most arguments; None for no upper bound."""
        fewest = sum(1 for parameter in self.parameters if parameter.required)
        return fewest, None if any(parameter.variadic for parameter in self.parameters) else len(self.parameters)


_REGISTERED: dict[str, Function] = {}
_METHODS: dict[str, Function] = {}


def function(
    name: str, category: str, summary: str, *parameters: Parameter, **facts: Any
) -> Callable[[Callee], Callee]:
    """Register the decorated callable as the function ``name``; ``facts`` are further fields of :class:`Function`."""

    def register(call: Callee) -> Callee:
        known = Function(name=name, call=call, category=category, summary=summary, parameters=parameters, **facts)
        for spelling in (known.name, *known.aliases):
            if spelling in _REGISTERED:
                raise ValueError(f"function {spelling} is registered twice")
            _REGISTERED[spelling] = known
            if known.method:
                _METHODS[spelling] = known
        return call

    return register


def method(name: str, summary: str, *parameters: Parameter, **facts: Any) -> Callable[[Callee], Callee]:
    """Register the decorated callable as ``value.name(...)`` only: a Java method that is no Data Prep function.

    Methods have their own table because some differ from the function of the same name (``split``). The value is the
    first argument and the first parameter, as it is for functions with ``method=True``: ``arity`` counts it.
    """

    def register(call: Callee) -> Callee:
        if name in _METHODS:
            raise ValueError(f"method {name} is registered twice")
        _METHODS[name] = Function(
            name=name,
            call=call,
            category="Java methods",
            summary=summary,
            parameters=(Parameter("VALUE"), *parameters),
            method=True,
            **facts,
        )
        return call

    return register


def methods() -> Mapping[str, Function]:
    """Every name that may stand as ``value.name(...)``: :func:`method`'s, and functions with ``method=True``."""
    return _METHODS


def registered() -> Mapping[str, Function]:
    """Every spelling -> its function. Import :mod:`bridge.mapping.functions` first: it loads every category."""
    return _REGISTERED
