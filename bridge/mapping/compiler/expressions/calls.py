"""Calls of functions and methods: looked up, counted, specialised for their constants, folded or called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.compiler.expressions.compiled import Compiled, Constant, Dynamic, Problem, values_of
from bridge.mapping.compiler.expressions.lazy import inline
from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
from bridge.mapping.functions.registry import NOT_CONSTANT, Attribute, Function, FunctionError
from bridge.mapping.functions.synonyms import meant
from bridge.mapping.syntax.nodes import ArrayLiteral, Call, Lambda, MapLiteral, MethodCall, Node, PathRef
from bridge.mapping.syntax.paths import Every, Key
from bridge.mapping.values import pycode as py
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.mapping.compiler.expressions.compiling import Compiling


def function(compiler: Compiling, node: Call) -> Compiled:
    """``name(arguments)``."""
    function = FUNCTIONS.get(node.name)
    if function is None:
        near = meant(node.name)
        as_method = f"; it is a method: write value.{node.name}(...)" if node.name in METHODS else ""
        compiler.problem("unknown_function", f"no function {node.name}{as_method}", node.position, near)
        for argument in node.arguments:
            _argument(compiler, argument, "lambda")
        return Constant(None)
    if not _fits(compiler, function, node.name, len(node.arguments), counted=0, position=node.position):
        return Constant(None)
    if function.refused:
        compiler.problem("refused_function", f"{node.name} is refused: {function.refused}", node.position)
        return Constant(None)
    inlined = inline(compiler, function, node.arguments)
    return inlined or _function(compiler, function, node.arguments, [], position=node.position)


def method(compiler: Compiling, node: MethodCall) -> Compiled:
    """``target.name(arguments)``."""
    function = METHODS.get(node.name)
    if function is None:
        near = nearest(node.name, METHODS)
        compiler.problem("unknown_method", f"no method .{node.name}()", node.position, near)
        return Constant(None)
    # The value before the dot is a method's first parameter.
    if not _fits(compiler, function, "." + node.name, len(node.arguments), counted=1, position=node.position):
        return Constant(None)
    return _function(
        compiler, function, node.arguments, [compiler.expression(node.target)], position=node.position, counted=1
    )


def _fits(compiler: Compiling, function: Function, shown: str, given: int, *, counted: int, position: int) -> bool:
    fewest, most = function.arity
    fewest, most = fewest - counted, None if most is None else most - counted
    if given >= fewest and (most is None or given <= most):
        return True
    wanted = f"{fewest} or more" if most is None else str(fewest) if most == fewest else f"{fewest} to {most}"
    plural = "" if wanted == "1" else "s"
    names = ", ".join(parameter.name for parameter in function.parameters[counted:])
    compiler.problem(
        "arity", f"{shown} takes {wanted} argument{plural} ({names}), here {given}", position, f"{shown}({names})"
    )
    return False


def _function(
    compiler: Compiling,
    function: Function,
    arguments: Sequence[Node],
    before: Sequence[Compiled],
    *,
    position: int,
    counted: int = 0,
) -> Compiled:
    parts = list(before)
    for number, argument in enumerate(arguments):
        kind = _kind(function, number + counted)
        if kind == "string" and _is_container(argument):
            compiler.problems.append(
                Problem("text_wanted", f"{function.name} takes text, and this argument is an array or an object: it will"
                        " give null", position, fix='join(",", ...) makes text of an array', severity="warning")
            )  # fmt: skip
        parts.append(_argument(compiler, argument, kind))
    known = [part.value if isinstance(part, Constant) else NOT_CONSTANT for part in parts]
    callee: Callable[..., Any] = function.call
    if function.specialize is not None:
        try:
            callee = function.specialize(known) or function.call
        except FunctionError as error:
            said = str(error).removeprefix(f"{function.name}: ")
            compiler.problem("constant_invalid", f"{function.name}: {said}", position)
            return Constant(None)
    if function.needs_event:
        return Dynamic(py.call(compiler.bind(callee), py.name("event"), *map(compiler.code, parts)))
    if function.pure and (constants := values_of(parts)):
        try:
            return Constant(callee(*constants[0]))
        except Exception:  # noqa: BLE001 - it fails the same way for every event: there it becomes a warning
            compiler.problems.append(
                Problem("constant_fails", f"{function.name} gives no value for these constants", position,
                        severity="warning")
            )  # fmt: skip
    return Dynamic(py.call(compiler.bind(callee), *map(compiler.code, parts)))


def _is_container(node: Node) -> bool:
    if isinstance(node, PathRef):
        return any(isinstance(segment, Every) for segment in node.path)
    return isinstance(node, ArrayLiteral | MapLiteral)


def _argument(compiler: Compiling, node: Node, kind: str) -> Compiled:
    if kind == "lambda" and isinstance(node, Lambda):
        return _lambda(compiler, node)
    if kind == "attribute" and isinstance(node, PathRef) and len(node.path) == 1:
        first = node.path[0]
        if isinstance(first, Key):
            value = compiler.code(compiler.path(node))
            return Dynamic(py.call(compiler.bind(Attribute), py.const(first.name), value))
    return compiler.expression(node)


def _lambda(compiler: Compiling, node: Lambda) -> Compiled:
    with compiler.parameter(node.parameter) as variable:
        body = compiler.later(node.body)
    return Dynamic(py.lambda_of(variable, compiler.code(body)))


def _kind(function: Function, number: int) -> str:
    if number < len(function.parameters):
        return function.parameters[number].kind
    return function.parameters[-1].kind if function.parameters else "any"
