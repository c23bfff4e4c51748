"""The typed syntax tree of an expression: frozen, so that it can be compared, printed and compiled, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.mapping.syntax.paths import Path, Segment


@dataclass(frozen=True, slots=True)
class Literal:
    """``null``, ``true``, ``42``, ``1.5``, ``"text"``."""

    value: bool | int | float | str | None

    def __eq__(self, other: object) -> bool:
        # Python holds 1 == True == 1.0; the language does not.
        return isinstance(other, Literal) and (type(self.value), self.value) == (type(other.value), other.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class ArrayLiteral:
    """``[1, null, x]``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapLiteral:
    """``{"key": value}``."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class PathRef:
    """A path into the event, or, inside a lambda, from its parameter."""

    path: Path
    position: int = field(default=1, compare=False)
    wrapped: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """``upper(name)``; ``position`` counts characters from 1."""

    name: str
    arguments: tuple[Node, ...]
    position: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class MethodCall:
    """``name.equals("x")``."""

    target: Node
    name: str
    arguments: tuple[Node, ...]
    position: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """``f(x).key``, ``f(x)[0]``: a fixed step into a computed value."""

    target: Node
    segment: Segment


@dataclass(frozen=True, slots=True)
class Subscript:
    """``items[n]``: a step that is itself computed."""

    target: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x``, ``+x``, ``!x``, ``~x``, ``empty x``, ``size x``; ``operator`` in its symbol form."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands; ``operator`` in its symbol form (``&&`` also for ``and``)."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Ternary:
    """``condition ? yes : no``."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Lambda:
    """``x -> x > 0``."""

    parameter: str
    body: Node


Node = (
    Literal
    | ArrayLiteral
    | MapLiteral
    | PathRef
    | Call
    | MethodCall
    | Member
    | Subscript
    | Unary
    | Binary
    | Ternary
    | Lambda
)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below ``node``, in reading order."""
    match node:
        case Literal() | PathRef():
            return ()
        case ArrayLiteral(items):
            return items
        case MapLiteral(entries):
            return tuple(part for entry in entries for part in entry)
        case Call(_, arguments):
            return arguments
        case MethodCall(target, _, arguments):
            return (target, *arguments)
        case Member(target, _):
            return (target,)
        case Subscript(target, index):
            return (target, index)
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Ternary(condition, yes, no):
            return (condition, yes, no)
        case Lambda(_, body):
            return (body,)


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, the root first; no recursion."""
    waiting: list[Any] = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(reversed(children(here)))


def depth(root: Node, limit: int) -> int:
    """How deep the tree is; stops counting above ``limit``. No recursion."""
    deepest = 0
    level: list[Any] = [root]
    while level and deepest <= limit:
        deepest += 1
        level = [below for node in level for below in children(node)]
    return deepest
