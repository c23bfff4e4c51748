"""What MoEngage says of a mapping set before any event has come."""

from __future__ import annotations

import pytest

from bridge.destinations.moengage.rules import rules_of
from bridge.model.mapping_rows import Written
from bridge.settings.moengage import MoEngageSettings


def _said(*rows, nulls=None, **settings):
    written = [Written(line, tuple(row.split("/")), nulls) for line, row in enumerate(rows, start=2)]
    return [
        (one.row, one.code, one.fix) for one in rules_of(MoEngageSettings.model_validate(settings)).complaints(written)
    ]


USER = ("customer/customer_id", "customer/attributes/email")


def test_a_right_set() -> None:
    """Users, events and devices by the documents."""
    assert not _said(
        *USER,
        "customer/update_existing_only",
        "customer/attributes/addValueToArrayField/AEPSegments",
        "customer/attributes/platforms/[*]/platform",
        "customer/attributes/moe_unsubscribe",
        "event/actions/[*]/action",
        "event/actions/[*]/attributes/source",
        "event/actions/[*]/attributes/moe_project_name",
        "event/device_id",
        "device/device_id",
        "device/attributes/platform",
    )


@pytest.mark.parametrize(
    ("row", "code", "fix"),
    [
        ("custmer/attributes/x", "destination_unknown", "customer.attributes.x"),
        ("identityMap/x", "destination_unknown", None),
        ("customer/email", "destination_unknown", "customer.attributes.email"),
        ("customer/attribute/x", "destination_unknown", "customer.attributes.x"),
        ("customer/type", "destination_unknown", None),
        ("event/actions/action", "destination_unknown", "event.actions[0].action"),
        ("event/actions/[*]/user_tme", "destination_unknown", "event.actions[0].user_time"),
        ("event/actions/[*]/amount", "destination_unknown", "event.actions[0].attributes.amount"),
        ("device/attributes/os_verson", "destination_unknown", "device.attributes.os_version"),
        ("customer/attributes/id", "name_refused", "customer.attributes.own_id"),
        ("customer/attributes/source", "name_refused", "customer.attributes.own_source"),
        ("customer/attributes/removeValueFromArrayField/moe_x", "name_refused", None),
        ("event/actions/[*]/attributes/moe_x", "name_refused", "event.actions[0].attributes.own_moe_x"),
        ("customer/attributes/city", "not_updated", "customer.attributes.home_city"),
        ("customer/attributes/cart/total", "object_off", "customer.attributes.cart_total"),
    ],
)
def test_a_wrong_row_is_told_with_a_better_one(row, code, fix) -> None:
    """By code, with what to write instead."""
    told = [one for one in _said(*USER, "event/actions/[*]/action", row) if one[0] == 5]
    assert told
    assert told[0][1] == code
    if fix is not None:
        assert told[0][2] == fix


@pytest.mark.parametrize(
    "rows",
    [
        ("customer/customer_id",),
        ("customer/attributes/x",),
        ("event/customer_id", "event/actions/[*]/platform"),
        ("customer/customer_id", "device/device_id"),
    ],
)
def test_what_a_set_lacks(rows) -> None:
    """A set under which every event would be refused is told as a whole."""
    assert [one[:2] for one in _said(*rows)] == [(0, "required_missing")]


def test_nulls_by_what_the_workspace_has() -> None:
    """Unset where MoEngage has switched it on; no rule for nulls where they mean nothing."""
    row = "customer/attributes/email"
    kept = Written(2, ("customer", "customer_id"))
    for rule, settings, codes in (
        ("unset", {}, ["unset_unavailable"]),
        ("unset", {"unset": True}, []),
        (None, {"nulls": "unset"}, ["unset_unavailable"]),
        ("clear", {}, []),
    ):
        rules = rules_of(MoEngageSettings.model_validate(settings))
        assert [one.code for one in rules.complaints([kept, Written(3, tuple(row.split("/")), rule)])] == codes
    rules = rules_of(MoEngageSettings())
    event = [kept, Written(3, ("event", "actions", "[*]", "action"), "clear")]
    assert [one.code for one in rules.complaints(event)] == ["nulls_misplaced"]


def test_objects_where_the_workspace_takes_them() -> None:
    """Then a destination below an attribute is fine."""
    assert not _said(*USER, "customer/attributes/cart/total", objects=True)
