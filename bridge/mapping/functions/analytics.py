"""Adobe Analytics functions (data-prep/functions, Analytics functions).

An event string is a comma list of ``name[=value][:id]``. A products string is a comma list of products, each
``category;name;quantity;price;events;eVars``, events and eVars separated by ``|``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import Parameter, function

if TYPE_CHECKING:
    from collections.abc import Callable

CATEGORY = "Analytics"
ANALYTICS = "Web SDK and Adobe Analytics flows only"
HIDDEN = "hidden (commented out in the page source); Web SDK and Adobe Analytics flows only (inferred)"
PRODUCTS = Parameter("PRODUCTS_STRING", "string")
EVENT_NAME = Parameter("EVENT_NAME", "string")
EVENT = (Parameter("EVENT_STRING", "string"), EVENT_NAME)

CATEGORIES, NAMES, QUANTITIES, PRICES, EVENTS, EVARS = range(6)


def _event(items: list[str], name: str) -> tuple[str, str | None] | None:
    """Value (1 where none is given) and id of the first item with that name."""
    for item in items:
        head, _, number = item.strip().partition(":")
        label, _, value = head.partition("=")
        if label.strip() == name:
            return value.strip() or "1", number.strip() or None
    return None


@function("aa_get_event_id", CATEGORY, "The id of an event in an event string.", *EVENT, returns="string",
          availability=ANALYTICS)  # fmt: skip
def aa_get_event_id(value: Any, name: Any) -> str | None:
    """``aa_get_event_id(EVENT_STRING, EVENT_NAME)``."""
    if value is None or name is None:
        return None
    found = _event(text_of(value).split(","), text_of(name))
    return None if found is None else found[1]


@function("aa_get_event_value", CATEGORY, "The value of an event in an event string; 1 where it has none.", *EVENT,
          returns="string", availability=ANALYTICS)  # fmt: skip
def aa_get_event_value(value: Any, name: Any) -> str | None:
    """``aa_get_event_value(EVENT_STRING, EVENT_NAME)``; null when the event is not there."""
    if value is None or name is None:
        return None
    found = _event(text_of(value).split(","), text_of(name))
    return None if found is None else found[0]


def _products(value: Any, part: int) -> list[str | None]:
    """That part of every product, null where it is empty."""
    parts: list[str | None] = []
    for product in text_of(value).split(","):
        fields = product.split(";")
        parts.append((fields[part].strip() or None) if part < len(fields) else None)
    return parts


def _column(name: str, part: int, summary: str, *aliases: str) -> None:
    def column(value: Any) -> list[str | None] | None:
        return None if value is None else _products(value, part)

    column.__name__ = name
    column.__doc__ = f"``{name}(PRODUCTS_STRING)``: one item a product, null where it has none."
    function(name, CATEGORY, summary, PRODUCTS, returns="array<string>", availability=ANALYTICS, aliases=aliases)(
        column
    )


_column("aa_get_product_categories", CATEGORIES, "The category of every product.")
_column("aa_get_product_names", NAMES, "The name of every product.")
_column("aa_get_product_quantities", QUANTITIES, "The quantity of every product.", "aa_get_product_quantity")
_column("aa_get_product_prices", PRICES, "The price of every product.", "aa_get_product_price")


def _named(
    name: str,
    part: int,
    summary: str,
    pick: Callable[[tuple[str, str | None]], Any],
    parameter: Parameter,
    **facts: Any,
) -> None:
    def named(value: Any, wanted: Any) -> list[Any] | None:
        if value is None or wanted is None:
            return None
        label = text_of(wanted)
        found = (_event((items or "").split("|"), label) for items in _products(value, part))
        return [None if item is None else pick(item) for item in found]

    named.__name__ = name
    named.__doc__ = f"``{name}(PRODUCTS_STRING, {parameter.name})``: one item a product, null where it has none."
    function(name, CATEGORY, summary, PRODUCTS, parameter, **facts)(named)


_named("aa_get_product_event_values", EVENTS, "The value of an event for every product.", lambda item: item[0],
       EVENT_NAME, returns="array<string>", availability=ANALYTICS)  # fmt: skip
_named("aa_get_product_events", EVENTS, "Id and value of an event for every product.",
       lambda item: {"id": item[1], "value": item[0]}, EVENT_NAME, returns="array<object>", availability=HIDDEN)  # fmt: skip
_named("aa_get_product_event_ids", EVENTS, "The id of an event for every product.", lambda item: item[1],
       EVENT_NAME, returns="array<string>", availability=HIDDEN)  # fmt: skip


@function("aa_get_product_evars", CATEGORY, "The value of an eVar for every product.", PRODUCTS,
          Parameter("EVAR_NAME", "string"), returns="array<string>", availability=ANALYTICS)  # fmt: skip
def aa_get_product_evars(value: Any, wanted: Any) -> list[str | None] | None:
    """``aa_get_product_evars(PRODUCTS_STRING, EVAR_NAME)``; eVars have no ids, a colon belongs to the value."""
    if value is None or wanted is None:
        return None
    label = text_of(wanted)
    return [_evar(items, label) for items in _products(value, EVARS)]


def _evar(items: str | None, wanted: str) -> str | None:
    for item in (items or "").split("|"):
        label, _, content = item.partition("=")
        if label.strip() == wanted:
            return content.strip() or None
    return None
