"""What a check says of an element: a code, a place, a sentence, and whether the event may leave all the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.model.verdicts import Rejected, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_TOLD: Final = 5


class Remark(NamedTuple):
    """``path``: a JSON pointer into what the mapping set gave (``#/customer/attributes/city``); ``code`` fits a metric label.

    ``reason`` quotes no value. ``field``: the same place for counting, elements of lists as ``[*]``.
    """

    path: str
    code: str
    reason: str
    field: str


@dataclass(slots=True)
class Report:
    """What the checks of one event's elements have said: what keeps it from leaving, and what MoEngage would make less of."""

    refused: list[Remark] = field(default_factory=list)
    findings: list[Remark] = field(default_factory=list)

    def refuse(self, path: str, code: str, reason: str, field_: str) -> None:
        """The element may not leave."""
        self.refused.append(Remark(path, code, reason, field_))

    def find(self, path: str, code: str, reason: str, field_: str) -> None:
        """The element may leave, and something of it will not be as it was sent."""
        self.findings.append(Remark(path, code, reason, field_))


REJECTION_CODES: Final[Mapping[str, str]] = {
    "element_missing": "no row but customer_id gave a value, so that there is nothing to send",
    "element_form": "customer, event or device is not an object, or its type is not spelt in small letters",
    "customer_id_missing": "no row gave a customer id",
    "customer_id_type": "the customer id is neither text nor a whole number",
    "customer_id_refused": "one of the customer ids that MoEngage refuses, such as guest, null or 0, or one of a single character",
    "attributes_form": "attributes is not an object",
    "name_blocked": "an attribute is named id, _id or nothing at all, which MoEngage blocks",
    "name_reserved": "a user attribute has one of the names that MoEngage reserves",
    "name_prefix": "a name begins with moe_, MoEngage's own prefix, and is none that its documents let others write",
    "action_missing": "an event without the name of its action would be invisible",
    "action_form": "actions is not a list of objects, or an action is not text",
    "platform_unknown": "the platform is not one of ANDROID, iOS, web, TV and unknown",
    "time_form": "user_time or current_time is neither epoch seconds nor a date-time such as 2026-11-12T14:20:00Z",
    "event_future": "MoEngage refuses events that are dated in the future",
    "timezone_offset": "user_timezone_offset is not a whole number of seconds from -54000 to 54000",
    "array_edit_form": "addValueToArrayField and removeValueFromArrayField hold attributes, each with a list of plain values",
    "array_edit_conflict": "one attribute is set, added to, removed from or unset in one call",
    "unset_form": "unset_attributes is not a list of objects with type and attr",
    "unset_unavailable": "unset_attributes is an early-access feature that the settings do not say the workspace has",
    "update_existing_only_form": "update_existing_only is neither true nor false",
    "device_id_missing": "a device needs device_id, a text",
    "device_platform": "a device needs the platform ANDROID, iOS, web or TV",
    "too_large": "the element alone is larger than a request may be",
    "not_json": "the element cannot be written as JSON",
}
"""Every code of a rejection at stage check: MoEngage would refuse the element, or answer 200 and not process it."""

FINDING_CODES: Final[Mapping[str, str]] = {
    "name_long": "a name of more than 200 characters: MoEngage stores the first 200",
    "value_long": "text of more than 512 characters: MoEngage stores the first 512",
    "url_long": "a URL of more than 512 characters: MoEngage drops it whole",
    "value_type": "a value of no type that MoEngage takes, such as a list within a list: ignored",
    "list_long": "a list of more than 50 values: MoEngage stores the first 50",
    "list_mixed": "a list of more than one type, which MoEngage does not take",
    "attributes_many": "more attributes than MoEngage takes: 100 of an event, 256 of a workspace's users",
    "event_names_many": "more event names than the 512 that a workspace may have: new ones are blocked",
    "event_name_dot": "an event name with a dot: MoEngage writes a blank in its place",
    "date_text": "text that looks like a date in a form that MoEngage keeps as text (dates: 2026-11-12T14:20:00Z, 2026-11-12)",
    "not_updated": "a standard attribute that the SDK owns: MoEngage ignores it, except for a new user",
    "object_off": "an object or a list of objects, and the settings do not say that the workspace takes them",
    "object_large": "an object of more than 25 KB: not stored",
    "object_keys": "an object of more than 100 keys: not all are stored",
    "object_items": "a list of more than 100 objects: not all are stored",
    "object_levels": "an object nested deeper than two levels: MoEngage turns what is deeper into text",
    "object_key": "a key of an object has one of $ . % # in it, is empty, or is longer than 200 characters",
    "object_empty": "an object without anything in it: not stored",
    "objects_many": "more attributes that are objects than MoEngage takes: 10 of a user, 5 of an event",
    "device_attribute": "an attribute that devices do not have: MoEngage drops it",
    "key_unknown": "a key that this element does not have: MoEngage ignores it",
    "project_missing": "an event without moe_project_name: it lands at portfolio level, where no project can use it",
    "project_unknown": "moe_project_name is not one of the projects that the settings list: the event lands at portfolio level",
}
"""Every code of a finding: MoEngage would silently cut or drop a part. ON_VIOLATION=reject makes them rejections."""


def rejection_of(remarks: Sequence[Remark]) -> Rejected:
    """One rejection for what was found: the first code, every place and reason, with its code where that is another."""
    first = remarks[0].code
    said = "; ".join(
        f"{remark.path}: {remark.reason}" + (f" ({remark.code})" if remark.code != first else "")
        for remark in remarks[:MOST_TOLD]
    )
    return Rejected(Stage.CHECK, first, said)
