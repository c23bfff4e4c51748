"""The mapping language (``/languages/el``) and the mapper's own samples and schemas.

Sources: AEP docs, data-prep/api/functions, schemas and sample-data; OpenAPI data-prep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.data_prep.mapping_sets import BASE, refused
from bridge.mapping.functions.catalogue import FUNCTIONS
from bridge.mapping.syntax.explaining import ExpressionProblem
from bridge.mapping.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.platform.calls import Call, Route

_OPERATORS: Final = (
    ("+", "add", 2), ("-", "subtract", 2), ("*", "multiply", 2), ("/", "divide", 2), ("%", "mod", 2),
    ("~", "complement", 1), ("-", "negate", 1), ("!", "not", 1), ("not", "not", 1), ("==", "equals", 2), ("!=", "notEquals", 2),
    ("<", "lessThan", 2), ("<=", "lessThanOrEqual", 2), (">", "greaterThan", 2), (">=", "greaterThanOrEqual", 2),
    ("&&", "and", 2), ("||", "or", 2),
)  # fmt: skip


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "POST", f"{BASE}/languages/el/validate", _validate
    yield "GET", f"{BASE}/languages/el/functions", _functions
    yield "GET", f"{BASE}/languages/el/operators", _operators
    for kind in ("samples", "schemas"):
        yield "GET", f"{BASE}/{kind}", _list
        yield "POST", f"{BASE}/{kind}", _create
        yield "GET", f"{BASE}/{kind}/{{id}}", _look_up
        yield "PUT", f"{BASE}/{kind}/{{id}}", _replace


def _validate(call: Call) -> Reply:
    expression = call.document().get("expression")
    if not isinstance(expression, str):
        raise refused(400, "expression is required")
    error = "none"
    try:
        parse_expression(expression)
    except ExpressionProblem as problem:
        error = str(problem)
    status: Any = "succeeded" if error == "none" else "failed"
    if call.sandbox.oddities.expression_answer == "boolean":
        status = error == "none"
    return Reply(200, {"validationStatus": status, "error": error})


def _functions(_: Call) -> Reply:
    return Reply(
        200,
        [
            {
                "category": one.category,
                "function": one.name,
                "syntax": f"{one.name}({', '.join(each.name for each in one.parameters)})",
                "returnType": one.returns,
                "params": [each.name for each in one.parameters],
                "since": "1.0",
            }
            for name, one in FUNCTIONS.items()
            if name == one.name
        ],
    )


def _operators(_: Call) -> Reply:
    return Reply(
        200,
        [
            {"operatorSymbol": symbol, "methodName": name, "numberOfOperands": count}
            for symbol, name, count in _OPERATORS
        ],
    )


def _kind(call: Call) -> str:
    return call.path.removeprefix(f"{BASE}/").partition("/")[0]


def _list(call: Call) -> Reply:
    if call.one("start") is None or call.one("limit") is None:
        raise refused(400, "start and limit are required")
    start, limit = call.number("start", 0), call.number("limit", 20, least=1)
    every = [one for one in call.sandbox.samples.values() if one["kind"] == _kind(call)]
    page = [{key: value for key, value in one.items() if key != "kind"} for one in every[start : start + limit]]
    return Reply(200, {"data": page, "_page": {"count": len(page), "limit": limit}})


def _create(call: Call) -> Reply:
    made = call.document() | {"id": call.sandbox.hexadecimal(32), "version": 0, "kind": _kind(call)}
    call.sandbox.samples[made["id"]] = made
    return Reply(200, {"id": made["id"], "version": 0})


def _found(call: Call) -> dict[str, Any]:
    found = call.sandbox.samples.get(call.parts["id"])
    if found is None or found["kind"] != _kind(call):
        raise refused(404, f"{call.parts['id']} is not found")
    return found


def _look_up(call: Call) -> Reply:
    return Reply(200, {key: value for key, value in _found(call).items() if key != "kind"})


def _replace(call: Call) -> Reply:
    before = _found(call)
    after = call.document() | {"id": before["id"], "version": before["version"] + 1, "kind": before["kind"]}
    call.sandbox.samples[before["id"]] = after
    return Reply(200, {"id": after["id"], "version": after["version"]})
