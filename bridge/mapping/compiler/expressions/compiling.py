"""What the parts of the expression compiler ask of the whole: they know this protocol, and only the whole knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from bridge.mapping.compiler.expressions.compiled import Compiled, Problem
    from bridge.mapping.syntax.nodes import Node, PathRef
    from bridge.mapping.values import pycode as py


class Compiling(Protocol):
    """The compilation of one expression (:class:`bridge.mapping.compiler.expressions.translation.ExpressionCompiler`)."""

    problems: list[Problem]

    def expression(self, node: Node) -> Compiled:
        """``node`` compiled."""

    def later(self, node: Node) -> Compiled:
        """``node`` compiled as something that may not be evaluated."""

    def path(self, node: PathRef) -> Compiled:
        """The variable that a path is read into."""

    def code(self, compiled: Compiled) -> py.Expr:
        """The Python expression for a compiled one."""

    def bind(self, value: Any) -> str:
        """The generated name under which ``value`` is in reach."""

    def truth(self, compiled: Compiled) -> py.Expr:
        """The Python test for a condition."""

    def temporary(self) -> str:
        """A fresh variable."""

    def apply(self, function: Callable[..., Any], parts: Sequence[Compiled], *, boolean: bool = False) -> Compiled:
        """A call of a pure function of ours, folded when every operand is known."""

    def parameter(self, name: str) -> AbstractContextManager[str]:
        """Within the block paths that begin with ``name`` read the lambda's parameter, whose variable this gives."""

    def problem(self, code: str, message: str, position: int | None = None, fix: str | None = None) -> None:
        """Note what cannot work."""
