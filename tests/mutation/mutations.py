"""Generates the mutants of a module from its syntax tree: each is the module with one expression or statement changed."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_LOGGERS = {"log", "_log", "logger"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module.

    ``key`` names it independently of line numbers: module, function, kind, source before and after, and its number among
    equal ones. ``line``: first line of the changed node. ``index``: its number in the module, for :func:`compile_mutant`.
    """

    module: str
    function: str
    kind: str
    before: str
    after: str
    number: int
    line: int
    index: int

    @property
    def key(self) -> str:
        """Stable name, as listed in equivalents.toml."""
        return f"{self.module}:{self.function} [{self.kind}] {self.before} => {self.after} #{self.number}"


@dataclass(slots=True)
class _Change:
    """A place in a tree and what replaces it there: ``apply`` changes the tree that was walked."""

    function: str
    kind: str
    before: str
    after: str
    line: int
    apply: Callable[[], None]


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its source."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    found = []
    for index, change in enumerate(_changes(ast.parse(source))):
        name = (change.function, change.kind, change.before, change.after)
        seen[name] += 1
        found.append(
            Mutant(module, change.function, change.kind, change.before, change.after, seen[name], change.line, index)
        )
    return found


def compile_mutant(mutant: Mutant, source: str, filename: str) -> CodeType:
    """The changed module's code."""
    tree = ast.parse(source)
    for index, change in enumerate(_changes(tree)):
        if index == mutant.index:
            change.apply()
            break
    return compile(ast.fix_missing_locations(tree), filename, "exec", dont_inherit=True)


def _changes(tree: ast.Module) -> list[_Change]:
    # A list, since applying one change while walking would disturb the walk.
    return list(_in_body(tree, "", tree.body, last=True))


def _in_body(owner: ast.AST, function: str, body: list[ast.stmt], *, last: bool) -> Iterator[_Change]:
    """Changes of a list of statements; ``last``: nothing of the function follows it."""
    for position in range(len(body)):
        final = last and position == len(body) - 1
        yield from _of_statement(owner, function, body, position, final=final)


def _of_statement(
    owner: ast.AST, function: str, body: list[ast.stmt], position: int, *, final: bool
) -> Iterator[_Change]:
    node = body[position]
    if _is_declaration(node) or _is_type_checking(node):
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        name = f"{function}.{node.name}" if function else node.name
        yield from _in_body(node, name, node.body, last=True)
        for default in (*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)):
            yield from _in_expression(name, node.args, default)
        return
    if isinstance(node, ast.ClassDef):
        if not any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
            yield from _in_body(node, f"{function}.{node.name}" if function else node.name, node.body, last=True)
        return
    if _is_log(node):
        return
    if isinstance(node, ast.Return | ast.Continue | ast.Break | ast.Raise) and not final:
        yield _replaced(function, "early return", body, position)
    if isinstance(node, ast.Expr) and isinstance(_unawaited(node.value), ast.Call):
        yield _replaced(function, "removed call", body, position)
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield _set(function, "arithmetic", node, "op", other)
    for field, value in ast.iter_fields(node):
        if field == "annotation":
            continue
        if isinstance(value, ast.expr):
            yield from _in_expression(function, node, value, condition=field == "test")
        elif isinstance(value, list):
            if value and isinstance(value[0], ast.stmt):
                inner = final and field in {"body", "orelse", "finalbody"} and not isinstance(node, ast.While | ast.For)
                yield from _in_body(node, function, value, last=inner)
            else:
                for item in value:
                    yield from _in_part(function, item, final=final)


def _in_part(function: str, item: ast.AST, *, final: bool) -> Iterator[_Change]:
    """Changes of what a statement lists: targets, handlers, cases, context managers."""
    if isinstance(item, ast.ExceptHandler | ast.match_case):
        if isinstance(item, ast.match_case) and item.guard is not None:
            yield from _in_expression(function, item, item.guard, condition=True)
        yield from _in_body(item, function, item.body, last=final)
    elif isinstance(item, ast.withitem):
        yield from _in_expression(function, item, item.context_expr)
    elif isinstance(item, ast.expr):
        yield from _in_expression(function, None, item)


def _in_expression(
    function: str, parent: ast.AST | None, node: ast.expr, *, condition: bool = False
) -> Iterator[_Change]:
    if isinstance(node, ast.Lambda):
        yield from _in_expression(function, node, node.body)
        return
    if isinstance(node, ast.JoinedStr):
        return  # the words of a message
    if isinstance(node, ast.Compare):
        for position, operator in enumerate(node.ops):
            yield _item(function, "comparison", node, (node.ops, position), _COMPARISONS[type(operator)]())
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _set(function, "boolean", node, "op", other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        # "not x" becomes "not not x", that is its truth.
        yield _set(function, "boolean", node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and not _is_text(node):
        yield _set(function, "arithmetic", node, "op", ast.Sub() if isinstance(node.op, ast.Add) else ast.Add())
    elif isinstance(node, ast.Constant):
        yield from _of_constant(function, node)
    elif isinstance(node, ast.Call):
        if _is_log_call(node):
            return
        yield from _of_call(function, node)
    if (
        condition
        and parent is not None
        and isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Await | ast.NamedExpr)
    ):
        yield _set(function, "boolean", parent, _field_of(parent, node), ast.UnaryOp(ast.Not(), node), shown=node)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from _in_expression(
                function, node, child, condition=isinstance(node, ast.IfExp) and child is node.test
            )
        elif isinstance(child, ast.keyword):
            yield from _in_expression(function, child, child.value)
        elif isinstance(child, ast.comprehension):
            for position, test in enumerate(child.ifs):
                if isinstance(test, ast.Name | ast.Attribute | ast.Call):
                    yield _item(function, "boolean", test, (child.ifs, position), ast.UnaryOp(ast.Not(), test))
                yield from _in_expression(function, None, test)
            yield from _in_expression(function, None, child.iter)


def _of_constant(function: str, node: ast.Constant) -> Iterator[_Change]:
    if isinstance(node.value, bool):
        yield _set(function, "constant", node, "value", not node.value)
    elif isinstance(node.value, int | float):
        yield _set(function, "constant", node, "value", type(node.value)(1 if node.value == 0 else 0))


def _of_call(function: str, node: ast.Call) -> Iterator[_Change]:
    if isinstance(node.func, ast.Name) and node.func.id in {"min", "max"} and len(node.args) + len(node.keywords) > 1:
        yield _set(function, "swapped call", node.func, "id", "max" if node.func.id == "min" else "min", shown=node)
    elif len(node.args) > 1 and not any(isinstance(argument, ast.Starred) for argument in node.args[:2]):
        first, second = node.args[:2]
        if ast.dump(first) != ast.dump(second) and not _symmetric(node):
            yield _set(function, "swapped arguments", node, "args", [second, first, *node.args[2:]])


def _symmetric(node: ast.Call) -> bool:
    """Whether the order means nothing (min, max, suppress), or a swap would never get to run (isinstance, getattr)."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr == "suppress"
    return isinstance(node.func, ast.Name) and node.func.id in {
        "min",
        "max",
        "isinstance",
        "getattr",
        "hasattr",
        "cast",
    }


def _replaced(function: str, kind: str, body: list[ast.stmt], position: int) -> _Change:
    node = body[position]

    def apply() -> None:
        body[position] = ast.copy_location(ast.Pass(), node)

    return _Change(function, kind, _text(node), "pass", node.lineno, apply)


def _set(
    function: str, kind: str, node: ast.AST, field: str, value: object, *, shown: ast.AST | None = None
) -> _Change:
    target = shown or node
    before, old = _text(target), getattr(node, field)
    setattr(node, field, value)
    # What a condition is negated into is shown as such; else the changed node itself.
    after = _text(value) if shown is not None and isinstance(value, ast.AST) else _text(target)
    setattr(node, field, old)
    return _Change(function, kind, before, after, _line(target), lambda: setattr(node, field, value))


def _item(function: str, kind: str, node: ast.AST, place: tuple[list[Any], int], value: ast.AST) -> _Change:
    items, position = place
    before, old = _text(node), items[position]
    items[position] = value
    after = _text(value) if isinstance(value, ast.expr) else _text(node)
    items[position] = old

    def apply() -> None:
        items[position] = value

    return _Change(function, kind, before, after, _line(node), apply)


def _field_of(parent: ast.AST, child: ast.AST) -> str:
    return next(field for field, value in ast.iter_fields(parent) if value is child)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _text(node: object) -> str:
    return " ".join(ast.unparse(node).split()) if isinstance(node, ast.AST) else repr(node)


def _unawaited(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Await) else node


def _is_declaration(node: ast.stmt) -> bool:
    """Imports, docstrings and annotations decide nothing at run time."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in (node.left, node.right)
    )


def _is_log(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _is_log_call(node.value)


def _is_log_call(node: ast.Call) -> bool:
    """Lines of the log are held by tests of what they say, where somebody needs them; they decide nothing."""
    function = node.func
    return (
        isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in _LOGGERS
    )
