"""Syntax trees of the mapping language to Python expressions: constants folded, lazy functions inlined, problems collected.

Nothing of the tree is left at run time. What cannot work (unknown function, wrong number of arguments, a wrong constant)
becomes a :class:`Problem`; the caller knows the row.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bridge.mapping.compiler.expressions import calls, lazy
from bridge.mapping.compiler.expressions.compiled import Compiled, Constant, Dynamic, Problem, values_of
from bridge.mapping.compiler.output.output_values import follow
from bridge.mapping.functions.registry import FunctionError
from bridge.mapping.syntax.nodes import (
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
from bridge.mapping.syntax.paths import Index, Key
from bridge.mapping.values import operators
from bridge.mapping.values import pycode as py
from bridge.mapping.values.coercion import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.mapping.compiler.expressions.reads import Reads


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
                return self.path(node)
            case ArrayLiteral(items):
                parts = [self.expression(item) for item in items]
                if constants := values_of(parts):
                    return Constant(list(constants[0]))
                return Dynamic(py.list_of([self.code(part) for part in parts]))
            case MapLiteral(entries):
                return self._map(entries)
            case Call():
                return calls.function(self, node)
            case MethodCall():
                return calls.method(self, node)
            case Member(target, segment):
                step = segment.name if isinstance(segment, Key) else segment.value if isinstance(segment, Index) else 0
                return self.apply(operators.step, [self.expression(target), Constant(step)])
            case Subscript(target, index):
                return self.apply(operators.step, [self.expression(target), self.expression(index)])
            case Unary(operator, operand):
                return self._unary(operator, self.expression(operand))
            case Binary(operator, left, right):
                return self._binary(operator, left, right)
            case Ternary(condition, yes, no):
                return lazy.choose(self, self.expression(condition), yes, no)
            case Lambda():
                self.problem(
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

    def problem(self, code: str, message: str, position: int | None = None, fix: str | None = None) -> None:
        """Note an error."""
        self.problems.append(Problem(code, message, position, fix))

    def temporary(self) -> str:
        """A variable for a value that is needed twice."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def later(self, node: Node) -> Compiled:
        """An operand that is evaluated only sometimes: a path that is absent there is no error even when strict."""
        self._lazy += 1
        try:
            return self.expression(node)
        finally:
            self._lazy -= 1

    def path(self, node: PathRef) -> Compiled:
        """The variable that a path is read into."""
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
            Constant(to_text(key.value)) if isinstance(key, Constant) and key.value is not None
            else Dynamic(py.call(self.bind(operators.map_key), self.code(key)))
            for key, _ in pairs
        ]  # fmt: skip
        flat = [*texts, *(value for _, value in pairs)]
        if constants := values_of(flat):
            values = constants[0]
            return Constant(dict(zip(values[: len(texts)], values[len(texts) :], strict=True)))
        return Dynamic(
            py.dict_of([(self.code(key), self.code(value)) for key, (_, value) in zip(texts, pairs, strict=True)])
        )

    def apply(self, function: Callable[..., Any], parts: Sequence[Compiled], *, boolean: bool = False) -> Compiled:
        """A call of a pure function of ours, folded when every operand is known."""
        if constants := values_of(parts):
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
        return self.apply(operators.UNARY[operator], [operand], boolean=operator in operators.ALWAYS_BOOLEAN)

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
            return self._unary("!", self.apply(operators.BINARY[positive], [one, other], boolean=True))
        return self.apply(operators.BINARY[operator], [one, other], boolean=operator in operators.ALWAYS_BOOLEAN)

    def _check_pattern(self, right: Compiled) -> None:
        if isinstance(right, Constant) and isinstance(right.value, str):
            try:
                operators.matches("", right.value)
            except FunctionError as error:
                self.problem("constant_invalid", str(error))

    def _short(self, operator: str, one: Compiled, right: Node) -> Compiled:
        other = self.later(right)
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
        variable = self.temporary()
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

    @contextmanager
    def parameter(self, name: str) -> Iterator[str]:
        """Within the block paths that begin with ``name`` read the lambda's parameter, whose variable this gives."""
        variable = f"x{len(self._scope) + 1}"
        outer = dict(self._scope)
        self._scope[name] = variable
        try:
            yield variable
        finally:
            self._scope = outer
