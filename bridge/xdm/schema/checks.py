"""Checks of objects, maps and arrays, compiled from schema fields to closures: per event no schema is looked at.

Nothing is changed in place, for the mapping may have put the event's own objects into the XDM: what a coercion, a pruned
null or a dropped value changes is copied, everything else is shared.

What is wrong costs the smallest optional container around it: an optional property or a value of a map alone, else the
object or array that cannot be without it. An array goes whole, for what is kept must keep its index.
"""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.values.expected import LEFT_OUT
from bridge.xdm.problems import DroppedValue
from bridge.xdm.schema.date_checks import DATES, date_check
from bridge.xdm.schema.policy import Policy
from bridge.xdm.schema.text_maps import as_json
from bridge.xdm.schema.value_checks import (
    Place,
    Said,
    Wrong,
    any_value,
    is_unconstrained,
    pointer,
    scalar_check,
    search_of,
    text_of,
    wrong,
    wrong_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.xdm.schema.fields import Kind, SchemaField

    Check = Callable[[Any, Place, Said], Any]

ABSENT: Final = object()
"""What a check gives for a value that is not to be sent: a null, or an object of which nothing is left."""

EMPTIED: Final = object()
"""The same of an object that dropped values emptied: in an array its place is kept."""

_SCALARS: Final = (bool, int, float)
_EXACT: Final[Mapping[Kind, type[Any]]] = {"string": str, "integer": int, "boolean": bool}
_KEYS: Final = 4_096
_KEY_KEPT: Final = 128


def compile_check(field: SchemaField, policy: Policy | None = None, exempt: frozenset[str] = frozenset()) -> Check:
    """The check of one field; ``exempt``: properties of it that are left as they are.

    ``policy`` says where a wrong value is dropped; without one nowhere.
    """
    policy = policy or Policy(firm=True)
    match field.kind:
        case "object":
            return _object_check(field, policy, exempt)
        case "map":
            return _object_check(field, policy, exempt) if field.patterns or policy.named else _map_check(field, policy)
        case "array":
            return _array_check(field, policy)
    return date_check(field) if field.kind == "string" and field.format in DATES else scalar_check(field)


def exact_type(field: SchemaField | None) -> type[Any] | None:
    """The Python type of which every value is good without a look, None where a check is needed."""
    # An integer beyond 64 bits is none: it has to be looked at.
    if field is None or field.kind == "integer" or not is_unconstrained(field):
        return None
    return _EXACT.get(field.kind)


def _object_check(field: SchemaField, policy: Policy, exempt: frozenset[str]) -> Check:
    fields = {**{name: field.values for name in policy.named if field.kind == "map"}, **field.properties}
    checks = {
        name: any_value
        if name in exempt or child is None or child.kind == "any"
        else _value_check(child, policy.below(name), in_map=name not in field.properties)
        for name, child in fields.items()
    }
    exact = {name: kind for name, child in fields.items() if (kind := exact_type(child)) and name not in exempt}
    unnamed = _unnamed(field, policy)
    labels = {name: policy.below(name).label for name in fields}
    other = policy.below("*").label
    firm = {name: policy.below(name).firm for name in fields}
    firm_other = policy.below("*").firm
    required = field.required
    own: Kind = field.kind

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is not dict:
            return wrong_type(place, own, value)
        changed: dict[str, Any] | None = None
        bad: Wrong | None = None
        dropped = False
        for key, item in value.items():
            if type(item) is exact.get(key):
                continue
            before = len(said)
            sent = ABSENT if item is None else checks.get(key, unnamed)(item, (place, key), said)
            if sent is item:
                continue
            if type(sent) is Wrong:
                if sent.final or key in required or firm.get(key, firm_other):
                    bad = Wrong(sent.found, None, sent.final or firm.get(key, firm_other)).beside(bad)
                    sent = sent.value
                    if sent is item:
                        continue
                else:
                    drop(said, before, (place, key), labels.get(key, other), sent)
                    dropped, sent = True, ABSENT
            elif sent is EMPTIED:
                dropped, sent = True, ABSENT
            changed = _changed(value, changed, key, sent)
        if changed is not None:
            value = changed
            if not value and bad is None and not (dropped and required):
                return EMPTIED if dropped else ABSENT
        if required and not required <= value.keys():
            faults = [("DCVS-1106", f"required key [{key}] not found") for key in sorted(required - value.keys())]
            bad = wrong(place, None, *faults).beside(bad)
        return value if bad is None else Wrong(bad.found, value, bad.final)

    return check


def drop(said: Said, before: int, place: Place, label: str, sent: Wrong) -> None:
    """Note that the value at ``place`` is left out. What was said within it, from ``before`` on, has no place any more."""
    del said[before:]
    where = pointer(place)
    first = sent.found[0]
    reason = first.reason if first.path == where else f"{first.path}: {first.reason}"
    said.append(DroppedValue(where, first.code, f"left out: {reason}", label))


def leaving_out(check: Check, label: str) -> Check:
    """The check of an optional property that is looked at by itself: gives ``LEFT_OUT`` for what the object's check would drop."""

    def settled(value: Any, place: Place, said: Said) -> Any:
        before = len(said)
        sent = check(value, place, said)
        if sent is ABSENT or sent is EMPTIED:
            return LEFT_OUT
        if type(sent) is Wrong and not sent.final:
            drop(said, before, place, label, sent)
            return LEFT_OUT
        return sent

    return settled


def _value_check(field: SchemaField, policy: Policy, *, in_map: bool) -> Check:
    each = compile_check(field, policy)
    return as_json(each) if in_map and field.kind == "string" else each


def _unnamed(field: SchemaField, policy: Policy) -> Check:
    """The check of properties without a name in the schema: by the pattern that their name matches, else by the rule for all."""
    below = policy.below("*")
    rest: Check
    if field.closed:
        rest = _forbid
    elif field.values is None:
        rest = any_value
    else:
        rest = _value_check(field.values, below, in_map=field.kind == "map")
    patterns = [(search_of(pattern), compile_check(child, below)) for pattern, child in field.patterns]
    # A pattern that cannot be enforced may match any name: then nothing is forbidden or held to another rule.
    known = [(search, each) for search, each in patterns if search is not None]
    if len(known) < len(patterns):
        rest = any_value
    if not known:
        return rest
    chosen: dict[str, Check] = {}

    def check(value: Any, place: Place, said: Said) -> Any:
        name = str(place[1]) if place is not None else ""
        each = chosen.get(name)
        if each is None:
            each = next((each for search, each in known if search(name)), rest)
            if len(name) <= _KEY_KEPT:
                if len(chosen) >= _KEYS:
                    chosen.clear()
                chosen[name] = each
        return each(value, place, said)

    return check


def _changed(value: dict[str, Any], changed: dict[str, Any] | None, key: str, sent: Any) -> dict[str, Any]:
    if changed is None:
        changed = dict(value)
    if sent is ABSENT:
        del changed[key]
    else:
        changed[key] = sent
    return changed


def _forbid(value: Any, place: Place, _said: Said) -> Any:
    return wrong(place, value, ("xdm_unknown_property", "extraneous key is not permitted"))


def _map_check(field: SchemaField, policy: Policy) -> Check:
    values = field.values
    exact = exact_type(values)
    below = policy.below("*")
    each: Check = any_value if values is None else _value_check(values, below, in_map=True)
    firm, label = below.firm, below.label
    # A number or a boolean is its text at once where any text is good.
    scalars = _SCALARS if exact is str else ()

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is not dict:
            return wrong_type(place, "map", value)
        changed: dict[str, Any] | None = None
        bad: Wrong | None = None
        dropped = False
        for key, item in value.items():
            kind = type(item)
            if kind is exact:
                continue
            if kind in scalars and (text := text_of(item)) is not None:
                if changed is None:
                    changed = value.copy()
                changed[key] = text
                continue
            before = len(said)
            sent = ABSENT if item is None else each(item, (place, key), said)
            if sent is item:
                continue
            if type(sent) is Wrong:
                if sent.final or firm:
                    bad = Wrong(sent.found, None, final=True).beside(bad)
                    sent = sent.value
                    if sent is item:
                        continue
                else:
                    drop(said, before, (place, key), label, sent)
                    dropped, sent = True, ABSENT
            elif sent is EMPTIED:
                dropped, sent = True, ABSENT
            changed = _changed(value, changed, key, sent)
        if changed is not None:
            value = changed
        if bad is not None:
            return Wrong(bad.found, value, bad.final)
        if changed is None or changed:
            return value
        return EMPTIED if dropped else ABSENT

    return check


def _array_check(field: SchemaField, policy: Policy) -> Check:
    items = field.items
    exact = exact_type(items)
    below = policy.below("[*]")
    each: Check = any_value if items is None else compile_check(items, below)
    firm = below.firm
    fewest, most = field.min_length or 0, field.max_length

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is not list:
            return wrong_type(place, "array", value)
        bad: Wrong | None = None
        kept: list[Any] = []
        for index, item in enumerate(value):
            if item is None:
                continue
            if type(item) is not exact:
                sent = each(item, (place, index), said)
                if sent is ABSENT:
                    continue
                if sent is EMPTIED:
                    sent = {}
                elif type(sent) is Wrong:
                    bad = Wrong(sent.found, None, sent.final or firm).beside(bad)
                    sent = sent.value
                kept.append(sent)
            else:
                kept.append(item)
        faults = []
        if len(kept) < fewest:
            faults.append(("xdm_length", f"expected minimum item count: {fewest}, found: {len(kept)}"))
        if most is not None and len(kept) > most:
            faults.append(("xdm_length", f"expected maximum item count: {most}, found: {len(kept)}"))
        sent = value if len(kept) == len(value) and all(map(is_, kept, value)) else kept
        if faults:
            bad = wrong(place, None, *faults).beside(bad)
        return sent if bad is None else Wrong(bad.found, sent, bad.final)

    return check
