"""From what a mapping set gives to elements of the Data API: users, devices and events, in this order. Pure.

A mapping set writes below ``customer``, ``device`` and ``event`` (each an object, or a list of them). An element is made where
anything of it but ``customer_id`` has a value; its customer is that of ``customer.customer_id`` where it names none itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from bridge.destinations.moengage.limits import ADD, EDITS, REMOVE
from bridge.destinations.moengage.remarks import Remark

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Nulls = Literal["skip", "clear", "unset"]
KINDS: Final = ("customer", "device", "event")
_HOW: Final = frozenset({"customer_id", "update_existing_only"})
"""Keys of a user that say whose values they are and how to take them; no values themselves."""


class Element(NamedTuple):
    """One element: ``kind``, the object as MoEngage takes it, and the JSON pointer of what it was made of."""

    kind: str
    value: dict[str, Any]
    path: str


@dataclass(frozen=True, slots=True)
class NullRules:
    """What a null of a user's attribute means: by name where the attribute's row says, else for all.

    ``attributes``: every attribute that the mapping set writes by name, with its rule; a null of another is skipped.
    """

    attributes: Mapping[str, Nulls] = field(default_factory=dict)

    def missing(self, given: Mapping[str, Any], failed: Collection[str]) -> Iterator[tuple[str, Nulls]]:
        """Attributes that have no value although a row writes them; what a row failed to compute is none of them."""
        for name, rule in self.attributes.items():
            if rule != "skip" and given.get(name) is None and name not in failed:
                yield name, rule


NO_RULES: Final = NullRules()


def elements_of(
    mapped: Mapping[str, Any], nulls: NullRules = NO_RULES, failed: Collection[str] = ()
) -> tuple[list[Element], list[Remark]]:
    """The elements of one event, and what keeps it from having them. ``mapped`` is not changed.

    ``failed``: attributes of the user whose rows failed, which says nothing of their values.
    """
    elements: list[Element] = []
    wrong: list[Remark] = []
    shared = _shared_id(mapped.get("customer"))
    for kind in KINDS:
        given = mapped.get(kind)
        if given is None:
            continue
        several = given.__class__ is list
        for at, one in enumerate(given if several else (given,)):
            path = f"#/{kind}/{at}" if several else f"#/{kind}"
            if one is None:
                continue
            if one.__class__ is not dict:
                wrong.append(Remark(path, "element_form", "it is not an object", kind))
                continue
            if kind == "customer":
                elements += _users(one, path, nulls, failed, wrong)
            elif any(key != "customer_id" for key in one):
                value = {"type": kind, "customer_id": None, **one}
                value["customer_id"] = _as_text(one.get("customer_id", shared))
                elements.append(Element(kind, value, path))
    if not elements and not wrong:
        wrong.append(Remark("#", "element_missing", "no row but customer_id gave a value", ""))
    return elements, wrong


def _as_text(identifier: Any) -> Any:
    """Ids are text; a whole number is one with the same digits."""
    return str(identifier) if identifier.__class__ is int else identifier


def _shared_id(customer: Any) -> Any:
    if customer.__class__ is list:
        customer = customer[0] if customer else None
    return customer.get("customer_id") if customer.__class__ is dict else None


def _users(
    given: dict[str, Any], path: str, nulls: NullRules, failed: Collection[str], wrong: list[Remark]
) -> Iterator[Element]:
    if not any(key not in _HOW for key in given):
        return
    element: dict[str, Any] = {"type": "customer", "customer_id": None, **given}
    element["customer_id"] = _as_text(given.get("customer_id"))
    attributes = given.get("attributes")
    if nulls.attributes and (attributes is None or attributes.__class__ is dict):
        element = _with_nulls(element, attributes or {}, nulls, failed)
        attributes = element.get("attributes")
    if attributes.__class__ is dict and attributes.get(ADD) and attributes.get(REMOVE):
        yield from _apart(element, path, wrong)
        return
    yield Element("customer", element, path)


def _with_nulls(
    element: dict[str, Any], attributes: dict[str, Any], nulls: NullRules, failed: Collection[str]
) -> dict[str, Any]:
    """The user with what its nulls mean: an empty text, as MoEngage ignores null, or an entry of ``unset_attributes``."""
    cleared: dict[str, Any] = {}
    unset: list[dict[str, Any]] = []
    edited = {name for edit in EDITS for name in _names(attributes.get(edit))}
    said = element.get("unset_attributes")
    said = said if said.__class__ is list else []
    gone = {one.get("attr") for one in said if one.__class__ is dict}
    for name, rule in nulls.missing(attributes, failed):
        if name in edited or name in gone:
            continue
        if rule == "clear":
            cleared[name] = ""
        else:
            unset.append({"type": "equals", "attr": name, "case_sensitive": True})
    if cleared:
        element["attributes"] = {**attributes, **cleared}
    if unset:
        element["unset_attributes"] = [*said, *unset]
    return element


def _names(edit: Any) -> Any:
    return edit if edit.__class__ is dict else ()


def _apart(element: dict[str, Any], path: str, wrong: list[Remark]) -> Iterator[Element]:
    """A user with both kinds of edits: one call may not have both of one attribute, so what is removed goes first.

    In this order a list that is full has room for what is added.
    """
    attributes = element["attributes"]
    adds, removes = attributes[ADD], attributes[REMOVE]
    if adds.__class__ is not dict or removes.__class__ is not dict or not (both := adds.keys() & removes.keys()):
        yield Element("customer", element, path)
        return
    for name in sorted(both):
        if _overlap(adds[name], removes[name]):
            place = f"{path}/attributes/{ADD}/{name}"
            reason = "a value is both added and removed"
            wrong.append(Remark(place, "array_edit_conflict", reason, f"customer.attributes.{ADD}.{name}"))
    rest = {name: value for name, value in attributes.items() if name != REMOVE}
    before: dict[str, Any] = {
        key: element[key] for key in ("type", "customer_id", "update_existing_only") if key in element
    }
    yield Element("customer", {**before, "attributes": {REMOVE: removes}}, path)
    yield Element("customer", {**element, "attributes": rest}, path)


def _overlap(adds: Any, removes: Any) -> bool:
    if adds.__class__ is not list or removes.__class__ is not list:
        return False
    kept = {(value.__class__, value) for value in adds if value.__class__ is not dict and value.__class__ is not list}
    return any(
        (value.__class__, value) in kept
        for value in removes
        if value.__class__ is not dict and value.__class__ is not list
    )
