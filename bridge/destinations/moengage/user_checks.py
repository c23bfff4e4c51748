"""A user's attributes, edits of lists, and attributes to unset. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.destinations.moengage import limits
from bridge.destinations.moengage.limits import ADD, EDITS, REMOVE
from bridge.destinations.moengage.values import about, about_text, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.destinations.moengage.names import Names
    from bridge.destinations.moengage.remarks import Report

_FIELD: Final = "customer.attributes"
_BESIDE: Final = frozenset({*EDITS, "platforms"})
"""What stands among the attributes and is none."""


def check_user(
    value: Mapping[str, Any], path: str, report: Report, names: Names, *, objects: bool, unset: bool
) -> None:
    """``objects``: the workspace takes objects; ``unset``: it has ``unset_attributes``."""
    only = value.get("update_existing_only")
    if only is not None and only.__class__ is not bool:
        field = "customer.update_existing_only"
        report.refuse(
            f"{path}/update_existing_only", "update_existing_only_form", "it is neither true nor false", field
        )
    attributes = value.get("attributes")
    if attributes is None:
        attributes = {}
    elif attributes.__class__ is not dict:
        report.refuse(f"{path}/attributes", "attributes_form", "it is not an object", _FIELD)
        return
    here = f"{path}/attributes"
    plain = attributes
    if not _BESIDE.isdisjoint(attributes):
        plain = {name: one for name, one in attributes.items() if name not in _BESIDE}
    check_attributes("customer", plain, (here, _FIELD), report, names, objects=objects)
    edited = _edits(attributes, here, report, names)
    unset_names = _unset(value.get("unset_attributes"), path, report, allowed=unset)
    if edited or unset_names:
        for name in sorted((edited & plain.keys()) | (edited & unset_names) | (unset_names & plain.keys())):
            reason = "the attribute is set, edited and unset in one call: send one of them"
            report.refuse(f"{here}/{escaped(name)}", "array_edit_conflict", reason, f"{_FIELD}.{name}")
    names.of_users(plain.keys() | edited if edited else plain.keys(), here, report)


def check_attributes(
    kind: str,
    attributes: Mapping[str, Any],
    place: tuple[str, str],
    report: Report,
    names: Names,
    *,
    objects: bool,
) -> None:
    """Names and values of the attributes of a ``customer`` or an ``event``; ``place``: their JSON pointer and field."""
    path, field = place
    good, holding = names.good[kind], 0
    for name, value in attributes.items():
        if name not in good:
            names.attribute(kind, name, f"{path}/{escaped(name)}", f"{field}.{name}", report)
        kind_of_value = value.__class__
        if kind_of_value is str:
            # Most values are short text that begins like no date: they need no further look.
            if len(value) > limits.VALUE_CHARACTERS or value[:1].isdigit():
                report.findings += about_text(value, f"{path}/{escaped(name)}", f"{field}.{name}")
        elif kind_of_value is not int and kind_of_value is not bool and kind_of_value is not float:
            if kind_of_value is list and _is_plain(value):
                continue
            report.findings += about(value, f"{path}/{escaped(name)}", f"{field}.{name}", objects=objects)
            holding += _holds_objects(value)
    most = limits.OBJECTS_OF_A_USER if kind == "customer" else limits.OBJECTS_OF_AN_EVENT
    if objects and holding > most:
        report.find(path, "objects_many", f"{holding} attributes are objects, {most} are taken", field)


def _edits(attributes: Mapping[str, Any], path: str, report: Report, names: Names) -> frozenset[str]:
    """The attributes that are added to or removed from."""
    adds, removes = attributes.get(ADD), attributes.get(REMOVE)
    if adds is None and removes is None:
        return frozenset()
    edited: set[str] = set()
    for edit, given in ((ADD, adds), (REMOVE, removes)):
        if given is None:
            continue
        field = f"{_FIELD}.{edit}"
        if given.__class__ is not dict:
            report.refuse(f"{path}/{edit}", "array_edit_form", "it holds attributes, each with a list", field)
            continue
        for name, values in given.items():
            place = f"{path}/{edit}/{escaped(name)}"
            if name in edited:
                reason = "it is both added to and removed from"
                report.refuse(place, "array_edit_conflict", reason, f"{field}.{name}")
            edited.add(name)
            names.attribute("customer", name, place, f"{field}.{name}", report)
            if values.__class__ is not list or any(
                one is None or one.__class__ is dict or one.__class__ is list for one in values
            ):
                report.refuse(place, "array_edit_form", "it is not a list of plain values", f"{field}.{name}")
            else:
                report.findings += about(values, place, f"{field}.{name}", objects=False)
    return frozenset(edited)


def _unset(unset: Any, path: str, report: Report, *, allowed: bool) -> frozenset[str]:
    """The attributes that are unset by name."""
    if unset is None:
        return frozenset()
    place, field = f"{path}/unset_attributes", "customer.unset_attributes"
    if not allowed:
        reason = "set BRIDGE_MOENGAGE__UNSET=true once MoEngage has switched this early-access feature on"
        report.refuse(place, "unset_unavailable", reason, field)
    found: set[str] = set()
    for one in unset if unset.__class__ is list else (None,):
        if (
            one.__class__ is not dict
            or one.get("type").__class__ is not str
            or one["type"] not in limits.UNSET_KINDS
            or one.get("attr").__class__ is not str
            or not one["attr"]
            or one.get("case_sensitive", True).__class__ is not bool
        ):
            reason = "it is a list of objects with type (equals, prefix, suffix, contains) and attr"
            report.refuse(place, "unset_form", reason, field)
            return frozenset()
        if one["type"] == "equals":
            found.add(one["attr"])
    return frozenset(found)


def _is_plain(values: list[Any]) -> bool:
    """Whether it is a list of short texts, few enough: as most lists are."""
    return len(values) <= limits.LIST_ITEMS and all(
        one.__class__ is str and len(one) <= limits.VALUE_CHARACTERS for one in values
    )


def _holds_objects(value: Any) -> bool:
    return value.__class__ is dict or (value.__class__ is list and bool(value) and value[0].__class__ is dict)
