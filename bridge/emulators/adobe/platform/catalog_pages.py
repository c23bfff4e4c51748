"""How Catalog filters, orders and pages: an object keyed by id, ``limit`` of 20 (100 at most) and ``start`` as an offset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply
from bridge.emulators.adobe.platform.filters import UnknownOperator, kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.emulators.adobe.platform.calls import Call

_PAGE: Final = 20
_MOST: Final = 100


def catalog_error(code: str, detail: str, status: int = 400) -> Refused:
    """A refusal of Catalog."""
    return Refused(
        Reply(
            status,
            {
                "type": f"http://ns.adobe.com/aep/errors/{code}",
                "title": "Catalog error",
                "status": status,
                "detail": detail,
            },
        )
    )


def listed(call: Call, rows: Mapping[str, Mapping[str, Any]], fits: Callable[[Mapping[str, Any]], bool]) -> Reply:
    """One page of the rows that fit the call's filters."""
    limit, start = call.number("limit", _PAGE, least=1, most=_MOST), call.number("start", 0)
    found = [(identifier, one) for identifier, one in rows.items() if fits(one) and _within(call, one)]
    if conditions := call.all("property"):
        found = _by_property(found, conditions)
    found = _ordered(found, call.one("orderBy"))
    chosen = call.one("properties")
    names = chosen.split(",") if chosen else None
    return Reply(200, {key: _some(one, names) for key, one in found[start : start + limit]})


def _within(call: Call, one: Mapping[str, Any]) -> bool:
    after, before = call.one("createdAfter"), call.one("createdBefore")
    created = one["created"]
    # createdAfter is exclusive, as Catalog's OpenAPI file says.
    return (after is None or created > _moment(after)) and (before is None or created < _moment(before))


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise catalog_error("CATALOG-1001-400", f"{text} is not a time in milliseconds") from None


def _by_property(
    rows: list[tuple[str, Mapping[str, Any]]], conditions: list[str]
) -> list[tuple[str, Mapping[str, Any]]]:
    if any("." in condition.partition("=")[0] for condition in conditions):
        raise catalog_error("CATALOG-1002-400", "property filters take top-level keys only")
    try:
        wanted = {id(one) for one in kept([one for _, one in rows], conditions, commas=True)}
    except UnknownOperator as error:
        raise catalog_error("CATALOG-1002-400", f"property={error} cannot be read") from None
    return [(identifier, one) for identifier, one in rows if id(one) in wanted]


def _ordered(rows: list[tuple[str, Mapping[str, Any]]], order: str | None) -> list[tuple[str, Mapping[str, Any]]]:
    direction, _, names = (order or "asc:created").partition(":")
    if direction not in ("asc", "desc") or not names:
        raise catalog_error("CATALOG-1003-400", f"orderBy={order} cannot be read")
    for name in reversed(names.split(",")):
        rows.sort(key=lambda row, name=name: _sortable(row[1].get(name)), reverse=direction == "desc")  # type: ignore[misc]
    return rows


def _sortable(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, value, ""
    return 1, 0, str(value)


def _some(one: Mapping[str, Any], names: list[str] | None) -> dict[str, Any]:
    return dict(one) if names is None else {key: value for key, value in one.items() if key in names}
