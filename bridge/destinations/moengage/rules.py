"""MoEngage's rules for who speaks of a mapping set before it runs (:class:`bridge.model.rules.Rules`). Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from bridge.destinations.moengage import limits
from bridge.destinations.moengage.elements import KINDS
from bridge.destinations.moengage.names import name_problem
from bridge.destinations.moengage.remarks import REJECTION_CODES
from bridge.destinations.moengage.values import is_lost_date
from bridge.model.mapping_rows import EVERY, Complaint
from bridge.model.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bridge.model.mapping_rows import Written
    from bridge.settings import MoEngageSettings


def rules_of(settings: MoEngageSettings) -> Rules:
    """The rules as they hold for one workspace."""
    return Rules(
        required=(),
        refusals=REJECTION_CODES,
        is_date_time=lambda text: not is_lost_date(text),
        schema_wanted="MoEngage has no schema: leave it out",
        complaints=_Rows(settings).complaints,
    )


class _Rows:
    """What is to be said of rows, under one workspace's settings."""

    def __init__(self, settings: MoEngageSettings) -> None:
        self._settings = settings

    def complaints(self, written: Sequence[Written]) -> Sequence[Complaint]:
        """Destinations that the Data API does not have, names that MoEngage refuses, and what is missing from the set."""
        return [*(found for one in written for found in self._row(one)), *_missing(written, self._settings.identifiers)]

    def _row(self, one: Written) -> Iterator[Complaint]:
        steps = one.steps
        kind = steps[0] if steps else ""
        if kind not in KINDS:
            near = _near(kind, KINDS)
            message = f"a destination begins with customer, event or device, not with {kind or 'nothing'}"
            yield Complaint(one.row, "destination_unknown", message, fix=near and _path((near, *steps[1:])))
            return
        rest = steps[2:] if steps[1:2] == (EVERY,) else steps[1:]
        head = steps[: len(steps) - len(rest)]
        if one.nulls not in (None, "skip") and (kind != "customer" or rest[:1] != ("attributes",) or len(rest) != 2):
            message = "only nulls of a user's attributes (customer.attributes.NAME) can be cleared or unset"
            yield Complaint(one.row, "nulls_misplaced", message)
        elif self._unsets(one, rest) and kind == "customer" and not self._settings.unset:
            message = (
                "MoEngage has unset_attributes in early access: BRIDGE_MOENGAGE__UNSET=true once it is switched on"
            )
            yield Complaint(one.row, "unset_unavailable", message, fix="clear")
        if not rest:
            return
        if rest[0] not in limits.KEYS[kind]:
            yield _unknown(one.row, kind, limits.KEYS[kind], head, rest)
        elif rest[0] == "attributes":
            yield from self._attribute(one.row, kind, rest[1:], head + rest[:1])
        elif rest[0] == "actions":
            yield from self._action(one.row, rest[1:], head + rest[:1])

    def _unsets(self, one: Written, rest: tuple[str, ...]) -> bool:
        return (one.nulls or (self._settings.nulls if rest[:1] == ("attributes",) else "skip")) == "unset"

    def _action(self, row: int, rest: tuple[str, ...], head: tuple[str, ...]) -> Iterator[Complaint]:
        if not rest:
            return
        if rest[0] != EVERY:
            message = "actions is a list: an event is its first element"
            yield Complaint(row, "destination_unknown", message, fix=_path((*head, "[0]", *rest)))
            return
        if len(rest) == 1:
            return
        if rest[1] not in limits.ACTION_KEYS:
            yield _unknown(row, "an action", limits.ACTION_KEYS, (*head, "[0]"), rest[1:])
        elif rest[1] == "attributes":
            yield from self._attribute(row, "event", rest[2:], (*head, "[0]", "attributes"))

    def _attribute(self, row: int, kind: str, rest: tuple[str, ...], head: tuple[str, ...]) -> Iterator[Complaint]:
        if not rest or rest[0] == EVERY:
            return
        name, below = rest[0], rest[1:]
        if kind == "customer" and name in limits.EDITS:
            if below:
                yield from self._attribute(row, kind, below[:1], (*head, name))
            return
        if kind == "device":
            if name not in limits.DEVICE_ATTRIBUTES:
                near = _near(name, limits.DEVICE_ATTRIBUTES)
                message = f"devices have no attribute {name}: MoEngage drops it"
                yield Complaint(row, "destination_unknown", message, "warning", near and _path((*head, near)))
            return
        if (wrong := name_problem(kind, name)) is not None:
            yield Complaint(
                row, "name_refused", f"{name or '(nothing)'}: {wrong[1]}", fix=_path((*head, f"own_{name.lower()}"))
            )
        elif len(name) > limits.NAME_CHARACTERS:
            yield Complaint(
                row, "name_refused", f"of a name's {len(name)} characters MoEngage keeps the first 200", "warning"
            )
        elif kind == "customer" and name in limits.NOT_UPDATED:
            message = f"{name} is owned by MoEngage's SDK: only a new user gets it"
            yield Complaint(row, "not_updated", message, "warning", _path((*head, f"home_{name}")))
        if below and below[0] != EVERY and name != "platforms" and not self._settings.objects:
            message = f"{name} is an object, which a workspace takes once MoEngage has switched it on: BRIDGE_MOENGAGE__OBJECTS=true"
            yield Complaint(row, "object_off", message, "warning", _path((*head, "_".join((name, *below)))))


def _missing(written: Sequence[Written], identifiers: Sequence[str]) -> Iterator[Complaint]:
    """Rows without which every event would be refused."""
    paths = {tuple(step for step in one.steps if step != EVERY) for one in written}
    kinds = [kind for kind in KINDS if any(path[:1] == (kind,) and path[1:] != ("customer_id",) for path in paths)]

    def has(*path: str) -> bool:
        return any(path[: len(known)] == known for known in paths)

    if not kinds:
        yield Complaint(
            0, "required_missing", "no row writes anything but a customer id, so that there is nothing to send"
        )
    below = {"customer": "attributes", "event": "user_identifiers"}
    for kind in kinds:
        if kind in below and any(has(kind, below[kind], name) for name in identifiers):
            continue
        if not has(kind, "customer_id") and not has("customer", "customer_id"):
            yield Complaint(
                0, "required_missing", f"no row writes {kind}.customer_id, nor customer.customer_id for all"
            )
    if "event" in kinds and not has("event", "actions", "action"):
        yield Complaint(
            0, "required_missing", "no row writes event.actions[0].action, without which an event is invisible"
        )
    if "device" in kinds:
        for path in (("device", "device_id"), ("device", "attributes", "platform")):
            if not has(*path):
                yield Complaint(0, "required_missing", f"no row writes {'.'.join(path)}, which every device needs")


def _unknown(row: int, what: str, known: Collection[str], head: tuple[str, ...], rest: tuple[str, ...]) -> Complaint:
    name = rest[0]
    if name == "type":
        return Complaint(row, "destination_unknown", "the bridge writes type itself; leave the row out")
    near = _near(name, known)
    if near is None and "attributes" in known:
        # A name that is none of the API's was most likely meant as an attribute.
        return Complaint(
            row,
            "destination_unknown",
            f"{what} has no {name}; attributes stand below attributes",
            fix=_path((*head, "attributes", *rest)),
        )
    return Complaint(row, "destination_unknown", f"{what} has no {name}", fix=near and _path((*head, near, *rest[1:])))


def _near(name: str, known: Collection[str]) -> str | None:
    lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else None


def _path(steps: Sequence[str]) -> str:
    """A destination as it is written; an element of a list is its first."""
    text = ""
    for step in steps:
        if step in (EVERY, "[0]"):
            text += "[0]"
        else:
            text += ("." if text else "") + (step if step.isidentifier() else "${" + step + "}")
    return text
