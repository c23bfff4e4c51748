"""Syntax trees of the mapping language to Python expressions: constants folded, lazy functions inlined, problems collected.

Nothing of the tree is left at run time. What cannot work (unknown function, wrong number of arguments, a wrong constant)
becomes a :class:`Problem`; the caller knows the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping import operators
from bridge.mapping import pycode as py
from bridge.mapping.coercion import to_text
from bridge.mapping.decoding import decoder, same
from bridge.mapping.findings import nearest
from bridge.mapping.functions import FUNCTIONS
from bridge.mapping.functions.logic import truth as iif_truth
from bridge.mapping.functions.registry import NOT_CONSTANT, Attribute, Function, FunctionError, methods
from bridge.mapping.nodes import (
    ArrayLiteral,
    Binary,
    Call,
    Lambda,
    Literal,
    MapLiteral,
    Member,
    MethodCall,
    Node,
    PathRef,
    Subscript,
    Ternary,
    Unary,
)
from bridge.mapping.output import follow
from bridge.mapping.paths import Index, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.mapping.reads import Reads


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


class ExpressionCompiler:
    """Compiles expressions that share one namespace (``names``) and one set of ``reads``."""

    def __init__(self, names: dict[str, Any], reads: Reads) -> None:
        self._names = names
        self._reads = reads
        self._bound: dict[int, str] = {}
        self._kept: list[Any] = []
        self._temporaries = 0
        self._scope: dict[str, str] = {}
        self._lazy = 0
        self.problems: list[Problem] = []
        self.needed: list[tuple[str, PathRef]] = []
        """Variables of paths that are read whatever happens, with where they stand (for ``strict``)."""

    def expression(self, node: Node) -> Compiled:
        """``node`` compiled."""
        match node:
            case Literal(value):
                return Constant(value)
            case PathRef():
                return self._path(node)
            case ArrayLiteral(items):
                parts = [self.expression(item) for item in items]
                if constants := _values(parts):
                    return Constant(list(constants[0]))
                return Dynamic(py.list_of([self.code(part) for part in parts]))
            case MapLiteral(entries):
                return self._map(entries)
            case Call():
                return self._call(node)
            case MethodCall():
                return self._method(node)
            case Member(target, segment):
                step = segment.name if isinstance(segment, Key) else segment.value if isinstance(segment, Index) else 0
                return self._apply(operators.step, [self.expression(target), Constant(step)])
            case Subscript(target, index):
                return self._apply(operators.step, [self.expression(target), self.expression(index)])
            case Unary(operator, operand):
                return self._unary(operator, self.expression(operand))
            case Binary(operator, left, right):
                return self._binary(operator, left, right)
            case Ternary(condition, yes, no):
                return self._choose(self.expression(condition), yes, no)
            case Lambda():
                self._problem(
                    "lambda_misplaced", "a lambda x -> ... is an argument of filterArray or transformArray only"
                )
                return Constant(None)

    def code(self, compiled: Compiled) -> py.Expr:
        """The Python expression for a compiled one; constants that Python cannot spell are bound to a name."""
        if isinstance(compiled, Dynamic):
            return compiled.code
        value = compiled.value
        if value is None or value.__class__ in (bool, int, float, str):
            return py.const(value)
        return py.name(self.bind(value))

    def bind(self, value: Any) -> str:
        """The generated name under which ``value`` is in reach."""
        if id(value) not in self._bound:
            self._bound[id(value)] = f"k{len(self._bound) + 1}"
            self._kept.append(value)  # an id is good only while its object lives
            self._names[self._bound[id(value)]] = value
        return self._bound[id(value)]

    def truth(self, compiled: Compiled) -> py.Expr:
        """The Python test for a condition."""
        if isinstance(compiled, Constant):
            return py.const(operators.truth(compiled.value))
        return compiled.code if compiled.boolean else py.call(self.bind(operators.truth), compiled.code)

    def _problem(self, code: str, message: str, position: int | None = None, fix: str | None = None) -> None:
        self.problems.append(Problem(code, message, position, fix))

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def _later(self, node: Node) -> Compiled:
        """An operand that is evaluated only sometimes: a path that is absent there is no error even when strict."""
        self._lazy += 1
        try:
            return self.expression(node)
        finally:
            self._lazy -= 1

    def _path(self, node: PathRef) -> Compiled:
        first = node.path[0]
        if isinstance(first, Key) and first.name in self._scope and not node.wrapped:
            value = py.name(self._scope[first.name])
            if len(node.path) == 1:
                return Dynamic(value)
            return Dynamic(py.call(self.bind(follow), value, py.name(self.bind(node.path[1:]))))
        variable = self._reads.variable(node.path)
        if not self._lazy:
            self.needed.append((variable, node))
        return Dynamic(py.name(variable))

    def _map(self, entries: Sequence[tuple[Node, Node]]) -> Compiled:
        pairs = [(self.expression(key), self.expression(value)) for key, value in entries]
        texts = [
            Constant(to_text(key.value)) if isinstance(key, Constant)
            else Dynamic(py.call(self.bind(to_text), key.code))
            for key, _ in pairs
        ]  # fmt: skip
        flat = [*texts, *(value for _, value in pairs)]
        if constants := _values(flat):
            values = constants[0]
            return Constant(dict(zip(values[: len(texts)], values[len(texts) :], strict=True)))
        return Dynamic(
            py.dict_of([(self.code(key), self.code(value)) for key, (_, value) in zip(texts, pairs, strict=True)])
        )

    def _apply(self, function: Callable[..., Any], parts: Sequence[Compiled], *, boolean: bool = False) -> Compiled:
        """A call of a pure function of ours, folded when every operand is known."""
        if constants := _values(parts):
            try:
                return Constant(function(*constants[0]))
            except Exception:  # noqa: BLE001 - it fails the same way for every event: there it becomes a warning
                return Dynamic(py.call(self.bind(function), *map(self.code, parts)), boolean)
        return Dynamic(py.call(self.bind(function), *map(self.code, parts)), boolean)

    def _unary(self, operator: str, operand: Compiled) -> Compiled:
        if operator == "!":
            if isinstance(operand, Constant):
                return Constant(not operators.truth(operand.value))
            return Dynamic(py.no(self.truth(operand)), boolean=True)
        return self._apply(operators.UNARY[operator], [operand], boolean=operator in operators.ALWAYS_BOOLEAN)

    def _binary(self, operator: str, left: Node, right: Node) -> Compiled:
        one = self.expression(left)
        if operator in ("&&", "||", "?:", "??"):
            return self._short(operator, one, right)
        other = self.expression(right)
        if operator in ("==", "!=") and Constant(None) in (one, other) and Dynamic in (type(one), type(other)):
            test = py.is_ if operator == "==" else py.is_not
            return Dynamic(test(self.code(one), self.code(other)), boolean=True)
        positive = operators.NEGATED.get(operator)
        if (positive or operator) == "=~":
            self._check_pattern(other)
        if positive:
            return self._unary("!", self._apply(operators.BINARY[positive], [one, other], boolean=True))
        return self._apply(operators.BINARY[operator], [one, other], boolean=operator in operators.ALWAYS_BOOLEAN)

    def _check_pattern(self, right: Compiled) -> None:
        if isinstance(right, Constant) and isinstance(right.value, str):
            try:
                operators.matches("", right.value)
            except FunctionError as error:
                self._problem("constant_invalid", str(error))

    def _short(self, operator: str, one: Compiled, right: Node) -> Compiled:
        other = self._later(right)
        if operator == "&&":
            if isinstance(one, Constant):
                return self._boolean(other) if operators.truth(one.value) else Constant(False)
            return Dynamic(py.all_of(self.truth(one), self.truth(other)), boolean=True)
        if operator == "||":
            if isinstance(one, Constant):
                return Constant(True) if operators.truth(one.value) else self._boolean(other)
            return Dynamic(py.any_of(self.truth(one), self.truth(other)), boolean=True)
        if isinstance(one, Constant):
            kept = operators.truth(one.value) if operator == "?:" else one.value is not None
            return one if kept else other
        variable = self._temporary()
        held = py.keep(variable, one.code)
        test = (
            py.is_not(held, py.const(None))
            if operator == "??"
            else held
            if one.boolean
            else py.call(self.bind(operators.truth), held)
        )
        return Dynamic(py.either(test, py.name(variable), self.code(other)))

    def _boolean(self, compiled: Compiled) -> Compiled:
        if isinstance(compiled, Constant):
            return Constant(operators.truth(compiled.value))
        return Dynamic(self.truth(compiled), boolean=True)

    def _choose(
        self, condition: Compiled, yes: Node, no: Node, truth: Callable[[Any], bool] = operators.truth
    ) -> Compiled:
        one, other = self._later(yes), self._later(no)
        test = self._apply(truth, [condition]) if isinstance(condition, Constant) else condition
        if isinstance(test, Constant):
            return one if test.value else other
        if not test.boolean and test is condition:
            test = Dynamic(py.call(self.bind(truth), test.code))
        return Dynamic(py.either(test.code, self.code(one), self.code(other)))

    def _call(self, node: Call) -> Compiled:
        function = FUNCTIONS.get(node.name)
        if function is None:
            near = nearest(node.name, FUNCTIONS)
            as_method = f"; it is a method: write value.{node.name}(...)" if node.name in methods() else ""
            self._problem("unknown_function", f"no function {node.name}{as_method}", node.position, near)
            for argument in node.arguments:
                self._argument(argument, "lambda")
            return Constant(None)
        if not self._fits(function, node.name, len(node.arguments), 0, node.position):
            return Constant(None)
        if function.refused:
            self._problem("refused_function", f"{node.name} is refused: {function.refused}", node.position)
            return Constant(None)
        inlined = self._inline(function, node.arguments)
        return inlined or self._function(function, node.arguments, [], node.position)

    def _method(self, node: MethodCall) -> Compiled:
        function = methods().get(node.name)
        if function is None:
            near = nearest(node.name, methods())
            self._problem("unknown_method", f"no method .{node.name}()", node.position, near)
            return Constant(None)
        # The value before the dot is a method's first parameter.
        if not self._fits(function, "." + node.name, len(node.arguments), 1, node.position):
            return Constant(None)
        return self._function(function, node.arguments, [self.expression(node.target)], node.position, 1)

    def _fits(self, function: Function, shown: str, given: int, counted: int, position: int) -> bool:
        fewest, most = function.arity
        fewest, most = fewest - counted, None if most is None else most - counted
        if given >= fewest and (most is None or given <= most):
            return True
        wanted = f"{fewest} or more" if most is None else str(fewest) if most == fewest else f"{fewest} to {most}"
        plural = "" if wanted == "1" else "s"
        names = ", ".join(parameter.name for parameter in function.parameters[counted:])
        self._problem(
            "arity", f"{shown} takes {wanted} argument{plural} ({names}), here {given}", position, f"{shown}({names})"
        )
        return False

    def _function(
        self,
        function: Function,
        arguments: Sequence[Node],
        before: Sequence[Compiled],
        position: int,
        counted: int = 0,
    ) -> Compiled:
        parts = list(before)
        for number, argument in enumerate(arguments):
            parts.append(self._argument(argument, _kind(function, number + counted)))
        known = [part.value if isinstance(part, Constant) else NOT_CONSTANT for part in parts]
        callee: Callable[..., Any] = function.call
        if function.specialize is not None:
            try:
                callee = function.specialize(known) or function.call
            except FunctionError as error:
                self._problem("constant_invalid", f"{function.name}: {error}", position)
                return Constant(None)
        if function.needs_event:
            return Dynamic(py.call(self.bind(callee), py.name("event"), *map(self.code, parts)))
        if function.pure and (constants := _values(parts)):
            try:
                return Constant(callee(*constants[0]))
            except Exception:  # noqa: BLE001 - it fails the same way for every event: there it becomes a warning
                self.problems.append(
                    Problem("constant_fails", f"{function.name} gives no value for these constants", position,
                            severity="warning")
                )  # fmt: skip
        return Dynamic(py.call(self.bind(callee), *map(self.code, parts)))

    def _argument(self, node: Node, kind: str) -> Compiled:
        if kind == "lambda" and isinstance(node, Lambda):
            return self._lambda(node)
        if kind == "attribute" and isinstance(node, PathRef) and len(node.path) == 1:
            first = node.path[0]
            if isinstance(first, Key):
                value = self.code(self._path(node))
                return Dynamic(py.call(self.bind(Attribute), py.const(first.name), value))
        return self.expression(node)

    def _lambda(self, node: Lambda) -> Compiled:
        variable = f"x{len(self._scope) + 1}"
        outer = dict(self._scope)
        self._scope[node.parameter] = variable
        try:
            body = self._later(node.body)
        finally:
            self._scope = outer
        return Dynamic(py.lambda_of(variable, self.code(body)))

    def _inline(self, function: Function, arguments: Sequence[Node]) -> Compiled | None:
        """The lazy functions as Python's own branches."""
        match function.name, arguments:
            case "nullify", _:
                return Constant(None)
            case "iif", (condition, yes, no):
                return self._choose(self.expression(condition), yes, no, iif_truth)
            case "coalesce", (first, *rest):
                result = self.expression(first)
                for following in rest:
                    result = self._first_of(result, following)
                return result
            case "decode", (key, *options):
                return self._decode(key, options)
        return None

    def _first_of(self, one: Compiled, following: Node) -> Compiled:
        if isinstance(one, Constant) and one.value is not None:
            return one
        other = self._later(following)
        if isinstance(one, Constant):
            return other
        variable = self._temporary()
        test = py.is_not(py.keep(variable, one.code), py.const(None))
        return Dynamic(py.either(test, py.name(variable), self.code(other)))

    def _decode(self, key: Node, options: Sequence[Node]) -> Compiled:
        selector = self.expression(key)
        cases = [(self._later(options[at]), self._later(options[at + 1])) for at in range(0, len(options) - 1, 2)]
        default = self._later(options[-1]) if len(options) % 2 else Constant(None)
        constant_keys = all(isinstance(when, Constant) for when, _ in cases)
        constant_values = all(isinstance(then, Constant) for _, then in cases)
        if constant_keys and constant_values:
            return self._table(selector, [(when.value, then.value) for when, then in cases], default)  # type: ignore[union-attr]
        variable = self._temporary()
        equal = self.bind(same)
        result = self.code(default)
        for when, then in reversed(cases):
            result = py.either(py.call(equal, py.name(variable), self.code(when)), self.code(then), result)
        held = py.keep(variable, self.code(selector))
        # The selector is evaluated once, before the first comparison.
        return Dynamic(py.item(py.tuple_of([held, result]), py.const(1)))

    def _table(self, selector: Compiled, cases: Sequence[tuple[Any, Any]], default: Compiled) -> Compiled:
        lookup, other = decoder(cases, default.value if isinstance(default, Constant) else _NO_MATCH)
        if isinstance(selector, Constant):
            found = other(selector.value)
            return default if found is _NO_MATCH else Constant(found)
        if lookup is None:
            found_code: py.Expr = py.call(self.bind(other), selector.code)
        else:
            variable = self._temporary()
            is_text = py.is_(py.attribute(py.keep(variable, selector.code), "__class__"), py.name("str"))
            fallback = self.code(default) if isinstance(default, Constant) else py.name(self.bind(_NO_MATCH))
            get = py.name(self.bind(lookup.get))
            # Text keys equal nothing but text.
            found_code = py.either(is_text, py.call(get, py.name(variable), fallback), fallback)
        if isinstance(default, Constant):
            return Dynamic(found_code)
        result = self._temporary()
        missing = py.is_(py.keep(result, found_code), py.name(self.bind(_NO_MATCH)))
        return Dynamic(py.either(missing, self.code(default), py.name(result)))


_NO_MATCH: Final = object()


def _values(parts: Sequence[Compiled]) -> tuple[list[Any]] | None:
    """The values of ``parts`` when all are constant, in a tuple so that no values at all is told from not constant."""
    values = [part.value for part in parts if isinstance(part, Constant)]
    return (values,) if len(values) == len(parts) else None


def _kind(function: Function, number: int) -> str:
    if number < len(function.parameters):
        return function.parameters[number].kind
    return function.parameters[-1].kind if function.parameters else "any"
