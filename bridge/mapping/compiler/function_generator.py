"""Generates the function of one mapping set: the source paths it reads, a guarded value for each row, and the output built of them.

A failing row nulls its attribute and leaves an :class:`~bridge.mapping.compiler.attribute_warnings.AttributeWarning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.compiler.attribute_warnings import AttributeWarning, fail, warn
from bridge.mapping.compiler.expressions.compiled import Constant
from bridge.mapping.compiler.expressions.reads import Reads
from bridge.mapping.compiler.expressions.translation import ExpressionCompiler
from bridge.mapping.compiler.output.destinations import clashes, grow
from bridge.mapping.compiler.output.output_statements import Assembly
from bridge.mapping.compiler.output.output_values import (
    aligned,
    clean,
    every,
    flatten,
    lent,
    prune,
    rest_of,
    spread,
    without_nulls,
)
from bridge.mapping.compiler.recurring import KEYED, Recurring, recurring_path
from bridge.mapping.sets.findings import Finding, MappingRefused
from bridge.mapping.syntax.paths import Every, Key, print_path
from bridge.mapping.values import pycode as py

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Sequence

    from bridge.mapping.compiler.output.assembly_sources import PlainIdentities
    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.syntax.nodes import Node
    from bridge.mapping.values.expected import Expected


class _Missing:
    __slots__ = ()


_MISSING: Final = _Missing()
_NO_WARNINGS: Final[Sequence[AttributeWarning]] = ()


class FunctionGenerator:
    """The function of one mapping set, and what is wrong with its rows (``findings``)."""

    def __init__(
        self,
        prepared: Sequence[Prepared],
        *,
        strict: bool,
        identities: PlainIdentities | None = None,
        expected: Callable[[tuple[str, ...]], Expected | None] | None = None,
    ) -> None:
        self.findings: list[Finding] = []
        self._names: dict[str, Any] = {
            "dict": dict,
            "list": list,
            "str": str,
            "len": len,
            "MISSING": _MISSING,
            "NONE": _NO_WARNINGS,
            "aligned": aligned,
            "clean": clean,
            "every": every,
            "flatten": flatten,
            "lent": lent,
            "prune": prune,
            "rest_of": rest_of,
            "spread": spread,
            "without_nulls": without_nulls,
            "warn": warn,
            "fail": fail,
            "KEYED": KEYED,
        }
        self._strict = strict
        self._recurring: dict[str, tuple[str, py.Expr]] = {}
        """Name of what is kept -> the variable of the source and the expression of the row."""
        self._reads = Reads(self._names, strict=strict)
        self._compiler = ExpressionCompiler(self._names, self._reads)
        rows = [one for one in prepared if one.target is not None]
        assembly = Assembly(self._names, identities, expected)
        values: list[py.Stmt] = []
        for position, one in enumerate(rows):
            self._names[f"row{position}"] = (one.row.row, one.row.source, one.row.destination)
            values += self._value(position, one, assembly)
        tree = grow([(position, one.target) for position, one in enumerate(rows) if one.target is not None])
        self.findings += clashes(tree, [one.row.row for one in rows])
        warnings = py.either(py.is_(py.name("w"), py.const(None)), py.name("NONE"), py.name("w"))
        ruled = py.is_not(py.name("m"), py.const(None))
        result = [py.name("o"), warnings]
        if identities is not None:
            result += [ruled, py.name("NONE" if expected is None else "s")]
        self._body = [
            py.assign(py.const(None), "w"),
            *self._reads.statements(),
            *values,
            *assembly.statements(tree),
            py.give(py.tuple_of(result)),
        ]

    def load(self, sha256: str) -> tuple[Callable[..., Any], ast.Module]:
        """The function and its tree. Raises ``MappingRefused`` when Python itself finds the expressions too deep."""
        tree = py.function_tree("apply", ("event",), self._body)
        try:
            for kept, (variable, expression) in self._recurring.items():
                row = py.function_tree("row", (variable,), [py.give(expression)])
                self._names[kept] = Recurring(py.load(row, "row", self._names))
            return py.load(tree, "apply", {**self._names, "__name__": f"mapping {sha256[:12]}"}), tree
        except (RecursionError, MemoryError):
            raise MappingRefused([Finding(0, "source", "syntax", "the expressions are nested too deeply")]) from None

    def _value(self, position: int, one: Prepared, assembly: Assembly) -> list[py.Stmt]:
        """The statements that compute the value of one row, and how the assembly will find it."""
        row = one.row
        if row.source_type == "STATIC":
            assembly.constant(position, one.source)
            return []
        before = len(self._compiler.problems)
        self._compiler.needed.clear()
        stars = sum(1 for segment in one.target or () if isinstance(segment, Every))
        if one.path is not None:
            variable = self._reads.variable(one.path)
            needed = [(variable, print_path(one.path))]
            depth = sum(1 for segment in one.path if isinstance(segment, Every))
            if stars > depth:
                whole = depth == 0 and stars == 1  # an array copied whole, spread over the elements
                if not whole:
                    self._find(row.row, "destination", "wildcards", "more [*] in the destination than in the source")
            expression: py.Expr = py.name(variable)
            if depth:
                expression = self._unwrapped(expression, depth, stars)
                last = one.path[-1]
                wrap = last.name if stars and isinstance(last, Key) else None
                assembly.wrapped(position, wrap)
            elif not stars and not self._strict:
                assembly.path(position, variable)
                return []
        elif one.node is not None:
            compiled = self._compiler.expression(one.node)
            for problem in self._compiler.problems[before:]:
                self.findings.append(
                    Finding(row.row, "source", problem.code, problem.message, problem.severity,  # type: ignore[arg-type]
                            problem.fix, problem.position)
                )  # fmt: skip
            if isinstance(compiled, Constant):
                value = _constant(compiled.value)
                if value is not _MISSING:
                    assembly.constant(position, value)
                    return []
            expression = self._kept(position, one.node, self._compiler.code(compiled))
            needed = [(variable, print_path(node.path)) for variable, node in self._compiler.needed]
        else:
            assembly.constant(position, None)
            return []
        variable = f"v{position}"
        held = py.name(variable)
        body = [
            py.assign(expression, variable),
            py.when(
                py.all_of(py.no(py.classed(variable, "str")), py.is_not(held, py.const(None))),
                [py.assign(py.call("aligned", held, py.const(stars)) if stars else py.call("clean", held), variable)],
            ),
        ]
        return self._guarded(position, needed, body, assembly)

    def _kept(self, position: int, node: Node, expression: py.Expr) -> py.Expr:
        """The expression, or what it was for the same source value before."""
        path = None if self._strict else recurring_path(node)
        if path is None:
            return expression
        variable, kept = self._reads.variable(path), f"kept{position}"
        self._recurring[kept] = variable, expression
        keyed = py.within(py.attribute(py.name(variable), "__class__"), py.name("KEYED"))
        return py.either(keyed, py.item(py.name(kept), py.name(variable)), expression)

    def _unwrapped(self, expression: py.Expr, depth: int, stars: int) -> py.Expr:
        levels = depth - max(stars, 1)
        if levels:
            expression = py.call("flatten", expression, py.const(levels))
        return expression if stars else py.call("without_nulls", expression)

    def _guarded(
        self, position: int, needed: Sequence[tuple[str, str]], body: list[py.Stmt], assembly: Assembly
    ) -> list[py.Stmt]:
        """``body`` with its failures, and in strict mode its absent sources, turned into a warning and null."""
        variable = f"v{position}"
        assembly.value(position, variable)
        nulled: py.Stmt = py.assign(py.const(None), variable)
        left: py.Stmt = py.assign(py.call("rest_of", py.name("e")), variable)
        handler = [left, py.assign(py.call("warn", py.name("w"), py.name(f"row{position}"), py.name("e")), "w")]
        attempt = py.attempt(body, "e", handler)
        if not self._strict or not needed:
            return [attempt]
        pairs = list(dict.fromkeys(needed))
        shown = ", ".join(path for _, path in pairs)
        reason = (
            f"source attribute {shown} is absent"
            if len(pairs) == 1
            else f"one of the source attributes {shown} is absent"
        )
        self._names[f"absent{position}"] = reason
        test = py.any_of(*(py.name(self._reads.absent(found)) for found, _ in pairs))
        said = py.call("fail", py.name("w"), py.name(f"row{position}"), py.name(f"absent{position}"))
        return [py.when(test, [nulled, py.assign(said, "w")], [attempt])]

    def _find(self, row: int, column: Any, code: str, message: str) -> None:
        self.findings.append(Finding(row, column, code, message))


def _constant(value: Any) -> Any:
    """A constant as it stands in the output, or ``_MISSING`` when it cannot (the event's warning will say why)."""
    try:
        value = clean(value)
    except Exception:  # noqa: BLE001 - the same call at run time gives the warning
        return _MISSING
    return value
