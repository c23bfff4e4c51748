"""Builds Python syntax trees from names and constants of our own making, and turns one into a function.

This is the only place that executes generated code (docs/decisions/generated-code.md). What people write never
becomes source text: their literals enter as ``ast.Constant`` or as objects bound to generated names.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Expr = ast.expr
Stmt = ast.stmt


def name(text: str) -> Expr:
    """A variable that is read."""
    return ast.Name(text, ast.Load())


def const(value: bool | float | str | None) -> Expr:
    """A constant."""
    return ast.Constant(value)


def call(function: str | Expr, *arguments: Expr) -> Expr:
    """``function(arguments)``."""
    return ast.Call(name(function) if isinstance(function, str) else function, list(arguments), [])


def attribute(value: Expr, text: str) -> Expr:
    """``value.text``."""
    return ast.Attribute(value, text, ast.Load())


def item(value: Expr, key: Expr) -> Expr:
    """``value[key]``."""
    return ast.Subscript(value, key, ast.Load())


def either(test: Expr, yes: Expr, no: Expr) -> Expr:
    """``yes if test else no``."""
    return ast.IfExp(test, yes, no)


def keep(variable: str, value: Expr) -> Expr:
    """``(variable := value)``."""
    return ast.NamedExpr(ast.Name(variable, ast.Store()), value)


def is_(left: Expr, right: Expr) -> Expr:
    """``left is right``."""
    return ast.Compare(left, [ast.Is()], [right])


def is_not(left: Expr, right: Expr) -> Expr:
    """``left is not right``."""
    return ast.Compare(left, [ast.IsNot()], [right])


def above(left: Expr, right: Expr) -> Expr:
    """``left > right``."""
    return ast.Compare(left, [ast.Gt()], [right])


def between(least: Expr, value: Expr, most: Expr) -> Expr:
    """``least < value <= most``."""
    return ast.Compare(least, [ast.Lt(), ast.LtE()], [value, most])


def within(value: Expr, values: Expr) -> Expr:
    """``value in values``."""
    return ast.Compare(value, [ast.In()], [values])


def all_of(*tests: Expr) -> Expr:
    """``a and b``."""
    return ast.BoolOp(ast.And(), list(tests)) if len(tests) > 1 else tests[0]


def any_of(*tests: Expr) -> Expr:
    """``a or b``."""
    return ast.BoolOp(ast.Or(), list(tests)) if len(tests) > 1 else tests[0]


def no(test: Expr) -> Expr:
    """``not test``."""
    return ast.UnaryOp(ast.Not(), test)


def classed(variable: str, kind: str) -> Expr:
    """``variable.__class__ is kind``."""
    return is_(attribute(name(variable), "__class__"), name(kind))


def tuple_of(parts: Sequence[Expr]) -> Expr:
    """``(a, b)``."""
    return ast.Tuple(list(parts), ast.Load())


def list_of(parts: Sequence[Expr]) -> Expr:
    """``[a, b]``."""
    return ast.List(list(parts), ast.Load())


def dict_of(pairs: Sequence[tuple[Expr, Expr]]) -> Expr:
    """``{a: b}``."""
    return ast.Dict([key for key, _ in pairs], [value for _, value in pairs])


def lambda_of(parameter: str, body: Expr) -> Expr:
    """``lambda parameter: body``."""
    return ast.Lambda(_arguments((parameter,)), body)


def assign(value: Expr, *variables: str) -> Stmt:
    """``a = b = value``."""
    return ast.Assign([ast.Name(variable, ast.Store()) for variable in variables], value)


def put(target: str, key: Expr, value: Expr) -> Stmt:
    """``target[key] = value``."""
    return ast.Assign([ast.Subscript(name(target), key, ast.Store())], value)


def do(value: Expr) -> Stmt:
    """An expression for its effect."""
    return ast.Expr(value)


def when(test: Expr, body: Sequence[Stmt], otherwise: Sequence[Stmt] = ()) -> Stmt:
    """``if test: body else: otherwise``."""
    return ast.If(test, list(body), list(otherwise))


def attempt(body: Sequence[Stmt], error: str, handler: Sequence[Stmt]) -> Stmt:
    """``try: body except Exception as error: handler``."""
    caught = ast.ExceptHandler(ast.Name("Exception", ast.Load()), error, list(handler))
    return ast.Try(list(body), [caught], [], [])


def give(value: Expr) -> Stmt:
    """``return value``."""
    return ast.Return(value)


def _arguments(parameters: Iterable[str]) -> ast.arguments:
    return ast.arguments([], [ast.arg(parameter) for parameter in parameters], None, [], [], None, [])


def function_tree(title: str, parameters: Iterable[str], body: Sequence[Stmt]) -> ast.Module:
    """A module that defines one function."""
    defined = ast.FunctionDef(title, _arguments(parameters), list(body), [])
    if "type_params" in ast.FunctionDef._fields:  # Python 3.12 and later ask for it
        defined.type_params = []  # type: ignore[attr-defined,unused-ignore]
    tree = ast.Module([defined], [])
    for node in ast.walk(tree):  # not ast.fix_missing_locations: that recurses, and expressions may be deep
        if isinstance(node, ast.expr | ast.stmt | ast.excepthandler | ast.arg):
            node.lineno = node.end_lineno = 1
            node.col_offset = node.end_col_offset = 0
    return tree


def text(tree: ast.Module) -> str:
    """The tree as Python that a person can read; a note instead when it is too deep to print."""
    try:
        return ast.unparse(tree)
    except RecursionError:
        return "# nested too deeply to print"


def load(tree: ast.Module, title: str, names: dict[str, Any]) -> Callable[..., Any]:
    """The function ``title`` of ``tree``, with exactly ``names`` in reach and no builtins but ``Exception``."""
    namespace: dict[str, Any] = {"__builtins__": {"Exception": Exception}, **names}
    code = compile(tree, f"<{title}>", "exec")
    # The tree holds only nodes built by this module; no text of a mapping set was ever parsed as Python.
    exec(code, namespace)  # nosec B102 # noqa: S102 - our own code: names of literals and calls, no text of the mapping set
    return namespace[title]  # type: ignore[no-any-return]
