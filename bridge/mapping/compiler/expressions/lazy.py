"""The functions that evaluate only what they need, as Python's own branches and lookups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.compiler.expressions.compiled import Compiled, Constant, Dynamic
from bridge.mapping.compiler.expressions.decode_lookup import decoder, same
from bridge.mapping.functions.logic import truth as iif_truth
from bridge.mapping.values import operators
from bridge.mapping.values import pycode as py

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.mapping.compiler.expressions.compiling import Compiling
    from bridge.mapping.functions.registry import Function
    from bridge.mapping.syntax.nodes import Node

MAX_BRANCHES: Final = 48
"""Branches nest in Python; a call with more of them is evaluated eagerly, which differs only in what may fail."""

_NO_MATCH: Final = object()


def choose(
    compiler: Compiling,
    condition: Compiled,
    yes: Node,
    no: Node,
    truth: Callable[[Any], bool] = operators.truth,
) -> Compiled:
    """``condition ? yes : no``; only the branch that is taken is evaluated."""
    one, other = compiler.later(yes), compiler.later(no)
    test = compiler.apply(truth, [condition]) if isinstance(condition, Constant) else condition
    if isinstance(test, Constant):
        return one if test.value else other
    if not test.boolean and test is condition:
        test = Dynamic(py.call(compiler.bind(truth), test.code))
    return Dynamic(py.either(test.code, compiler.code(one), compiler.code(other)))


def inline(compiler: Compiling, function: Function, arguments: Sequence[Node]) -> Compiled | None:
    """The lazy functions as Python's own branches."""
    match function.name, arguments:
        case "nullify", _:
            return Constant(None)
        case "iif", (condition, yes, no):
            return choose(compiler, compiler.expression(condition), yes, no, iif_truth)
        case "coalesce", (first, *rest) if 0 < len(rest) < MAX_BRANCHES:
            result = compiler.expression(first)
            for following in rest:
                result = _first_of(compiler, result, following)
            return result
        case "decode", (key, *options):
            return _decode(compiler, key, options)
    return None


def _first_of(compiler: Compiling, one: Compiled, following: Node) -> Compiled:
    if isinstance(one, Constant) and one.value is not None:
        return one
    other = compiler.later(following)
    if isinstance(one, Constant):
        return other
    variable = compiler.temporary()
    test = py.is_not(py.keep(variable, one.code), py.const(None))
    return Dynamic(py.either(test, py.name(variable), compiler.code(other)))


def _decode(compiler: Compiling, key: Node, options: Sequence[Node]) -> Compiled | None:
    selector = compiler.expression(key)
    cases = [(compiler.later(options[at]), compiler.later(options[at + 1])) for at in range(0, len(options) - 1, 2)]
    default = compiler.later(options[-1]) if len(options) % 2 else Constant(None)
    constant_keys = all(isinstance(when, Constant) for when, _ in cases)
    constant_values = all(isinstance(then, Constant) for _, then in cases)
    if constant_keys and constant_values:
        return _table(compiler, selector, [(when.value, then.value) for when, then in cases], default)  # type: ignore[union-attr]
    if len(cases) > MAX_BRANCHES:
        return None
    variable = compiler.temporary()
    equal = compiler.bind(same)
    result = compiler.code(default)
    for when, then in reversed(cases):
        result = py.either(py.call(equal, py.name(variable), compiler.code(when)), compiler.code(then), result)
    held = py.keep(variable, compiler.code(selector))
    # The selector is evaluated once, before the first comparison.
    return Dynamic(py.item(py.tuple_of([held, result]), py.const(1)))


def _table(compiler: Compiling, selector: Compiled, cases: Sequence[tuple[Any, Any]], default: Compiled) -> Compiled:
    lookup, other = decoder(cases, default.value if isinstance(default, Constant) else _NO_MATCH)
    if isinstance(selector, Constant):
        found = other(selector.value)
        return default if found is _NO_MATCH else Constant(found)
    if lookup is None:
        found_code: py.Expr = py.call(compiler.bind(other), selector.code)
    else:
        variable = compiler.temporary()
        is_text = py.is_(py.attribute(py.keep(variable, selector.code), "__class__"), py.name("str"))
        fallback = compiler.code(default) if isinstance(default, Constant) else py.name(compiler.bind(_NO_MATCH))
        get = py.name(compiler.bind(lookup.get))
        # Text keys equal nothing but text.
        found_code = py.either(is_text, py.call(get, py.name(variable), fallback), fallback)
    if isinstance(default, Constant):
        return Dynamic(found_code)
    result = compiler.temporary()
    missing = py.is_(py.keep(result, found_code), py.name(compiler.bind(_NO_MATCH)))
    return Dynamic(py.either(missing, compiler.code(default), py.name(result)))
