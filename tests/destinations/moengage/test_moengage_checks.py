"""MoEngage's documented rules, one by one: what refuses an event, and what is only told."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.destinations.moengage.checks import Checks, id_problem
from bridge.destinations.moengage.remarks import FINDING_CODES, REJECTION_CODES
from bridge.destinations.moengage.shaping import Shaper

NOW = 1_790_000_000.0


def _shaper(*, reject: bool = False, **options: Any) -> Shaper:
    return Shaper(Checks(wall=lambda: NOW, **options), most_bytes=95_000, reject=reject)


def _user(attributes: Any = None, **more: Any) -> dict[str, Any]:
    return {"customer": {"customer_id": "C-1", "attributes": {"a": 1} if attributes is None else attributes, **more}}


def _event(**action: Any) -> dict[str, Any]:
    return {"customer": {"customer_id": "C-1"}, "event": {"actions": [{"action": "purchase", **action}]}}


def _device(attributes: Any, **more: Any) -> dict[str, Any]:
    return {"customer": {"customer_id": "C-1"}, "device": {"device_id": "d", "attributes": attributes, **more}}


def _edit(**edits: Any) -> dict[str, Any]:
    names = {"add": "addValueToArrayField", "remove": "removeValueFromArrayField"}
    return _user({names.get(key, key): value for key, value in edits.items()})


REFUSED = [
    ("customer_id_missing", {"customer": {"attributes": {"a": 1}}}),
    ("customer_id_missing", {"event": {"actions": [{"action": "a"}]}}),
    ("customer_id_type", {"customer": {"customer_id": 1.5, "attributes": {"a": 1}}}),
    ("customer_id_type", {"customer": {"customer_id": True, "attributes": {"a": 1}}}),
    ("customer_id_type", {"customer": {"customer_id": ["C-1"], "attributes": {"a": 1}}}),
    ("customer_id_refused", {"customer": {"customer_id": "", "attributes": {"a": 1}}}),
    ("customer_id_refused", {"customer": {"customer_id": "x", "attributes": {"a": 1}}}),
    ("customer_id_refused", {"customer": {"customer_id": "guest", "attributes": {"a": 1}}}),
    ("customer_id_refused", {"customer": {"customer_id": " NULL ", "attributes": {"a": 1}}}),
    ("customer_id_refused", {"customer": {"customer_id": 0, "attributes": {"a": 1}}}),
    ("customer_id_refused", {"customer": {"customer_id": -1, "attributes": {"a": 1}}}),
    ("customer_id_refused", {"customer": {"customer_id": "(empty)", "attributes": {"a": 1}}}),
    ("attributes_form", _user("text")),
    ("attributes_form", _event(attributes=[1])),
    ("attributes_form", _device("text")),
    ("name_blocked", _user({"id": "x"})),
    ("name_blocked", _user({"_id": "x"})),
    ("name_blocked", _user({"": "x"})),
    ("name_blocked", _event(attributes={"id": 1})),
    ("name_reserved", _user({"source": "x"})),
    ("name_reserved", _user({"INSTALL": "x"})),
    ("name_reserved", _user({"USER_ATTRIBUTE_UNIQUE_ID": "x"})),
    ("name_reserved", _user({"MOE_GAID": "x"})),
    ("name_reserved", _edit(add={"status": ["x"]})),
    ("name_prefix", _user({"moe_mine": 1})),
    ("name_prefix", _user({"moe_project_name": "x"})),
    ("name_prefix", _event(attributes={"moe_mine": 1})),
    ("name_prefix", _event(action="moe_click")),
    ("action_missing", _event(action=None)),
    ("action_missing", _event(action="")),
    ("action_missing", {"customer": {"customer_id": "C-1"}, "event": {"device_id": "d"}}),
    ("action_form", _event(action=7)),
    ("action_form", {"customer": {"customer_id": "C-1"}, "event": {"actions": {"action": "a"}}}),
    ("action_form", {"customer": {"customer_id": "C-1"}, "event": {"actions": ["a"]}}),
    ("platform_unknown", _event(platform="windows")),
    ("platform_unknown", _event(platform=1)),
    ("time_form", _event(user_time="12.11.2026")),
    ("time_form", _event(user_time="2026-11-12 14:20:00")),
    ("time_form", _event(current_time="2026-02-30T14:20:00Z")),
    ("time_form", _event(current_time=True)),
    ("time_form", _event(current_time=-5)),
    ("event_future", _event(user_time=int(NOW) + 61)),
    ("event_future", _event(user_time=str(int(NOW) + 61))),
    ("event_future", _event(current_time=int(NOW * 1000) + 61_000)),
    ("event_future", _event(user_time="2099-01-01T00:00:00Z")),
    ("timezone_offset", _event(user_timezone_offset=54_001)),
    ("timezone_offset", _event(user_timezone_offset="19800")),
    ("array_edit_form", _edit(add=["x"])),
    ("array_edit_form", _edit(add={"x": "A"})),
    ("array_edit_form", _edit(remove={"x": [{"a": 1}]})),
    ("array_edit_conflict", _edit(add={"x": ["A"]}, x=["B"])),
    ("array_edit_conflict", _edit(add={"x": ["A"]}, remove={"x": ["A"]})),
    ("unset_unavailable", _user(unset_attributes=[{"type": "equals", "attr": "x"}])),
    ("update_existing_only_form", _user(update_existing_only="true")),
    ("device_id_missing", {"customer": {"customer_id": "C-1"}, "device": {"attributes": {"platform": "web"}}}),
    ("device_platform", _device({"push_id": "x"})),
    ("device_platform", _device({"platform": "unknown"})),
    ("element_form", _user(type="Customer")),
    ("too_large", _user({f"name{i}": "x" * 500 for i in range(200)})),
]


@pytest.mark.parametrize(("code", "mapped"), REFUSED)
def test_refused_before_it_leaves(code, mapped) -> None:
    """What MoEngage would refuse, or answer 200 to and not process, becomes a dead letter that names the rule."""
    shaped = _shaper().shape(mapped)
    assert shaped.rejection is not None
    assert shaped.rejection.code == code
    assert not shaped.items


FOUND = [
    ("name_long", "customer.attributes", _user({"n" * 201: 1})),
    ("name_long", "event.actions[*].action", _event(action="n" * 201)),
    ("value_long", "customer.attributes.a", _user({"a": "v" * 513})),
    ("value_long", "customer.attributes.a[*]", _user({"a": ["v" * 513]})),
    ("url_long", "event.actions[*].attributes.a", _event(attributes={"a": "https://example.com/" + "p" * 500})),
    ("value_type", "customer.attributes.a", _user({"a": [["x"]]})),
    ("value_type", "customer.attributes.a", _user({"a": ["x", None]})),
    ("list_long", "customer.attributes.a", _user({"a": [str(i) for i in range(51)]})),
    ("list_long", "customer.attributes.addValueToArrayField.a", _edit(add={"a": list(range(51))})),
    ("list_mixed", "customer.attributes.a", _user({"a": ["x", 1]})),
    ("list_mixed", "customer.attributes.a", _user({"a": [True, 1]})),
    ("attributes_many", "event.actions[*].attributes", _event(attributes={f"a{i}": i for i in range(101)})),
    ("attributes_many", "customer.attributes", _user({f"a{i}": i for i in range(257)})),
    ("event_name_dot", "event.actions[*].action", _event(action="a.b")),
    ("date_text", "customer.attributes.a", _user({"a": "2026-11-12T14:20:00.000Z"})),
    ("date_text", "customer.attributes.a", _user({"a": "2026-11-12T14:20:00+01:00"})),
    ("date_text", "customer.attributes.a", _user({"a": "2026-11-12 14:20:00"})),
    ("date_text", "customer.attributes.a", _user({"a": "12/11/2026"})),
    ("date_text", "customer.attributes.a", _user({"a": "2026-15-12"})),
    ("not_updated", "customer.attributes.city", _user({"city": "Köln"})),
    ("object_off", "customer.attributes.a", _user({"a": {"b": 1}})),
    ("object_off", "event.actions[*].attributes.Products", _event(attributes={"Products": [{"Id": "1"}]})),
    ("device_attribute", "device.attributes.colour", _device({"platform": "web", "colour": "red"})),
    ("key_unknown", "customer.attribute", _user(attribute={"a": 1})),
    ("key_unknown", "event.actions[*].name", _event(name="x")),
]


@pytest.mark.parametrize(("code", "field", "mapped"), FOUND)
def test_told_and_sent(code, field, mapped) -> None:
    """What MoEngage would silently cut or drop leaves, with a finding that names place and rule."""
    shaped = _shaper().shape(mapped)
    assert shaped.rejection is None
    assert shaped.items
    found = [finding for finding in shaped.findings if finding.code == code]
    assert found, shaped.findings
    assert found[0].field.startswith(field)


@pytest.mark.parametrize(("code", "field", "mapped"), FOUND)
def test_told_and_refused_where_the_setting_says(code, field, mapped) -> None:
    """With ON_VIOLATION=reject the same is a dead letter."""
    shaped = _shaper(reject=True).shape(mapped)
    assert shaped.rejection is not None
    assert code in {finding.code for finding in _shaper().shape(mapped).findings}
    assert not shaped.items


OBJECTS = [
    ("object_large", {f"k{i}": "v" * 500 for i in range(60)}),
    ("object_keys", {f"k{i}": i for i in range(101)}),
    ("object_items", [{"k": i} for i in range(101)]),
    ("object_levels", {"a": {"b": {"c": 1}}}),
    ("object_levels", [{"a": {"b": [{"c": 1}]}}]),
    ("object_key", {"a.b": 1}),
    ("object_key", {"a": {"$b": 1}}),
    ("object_empty", [{"a": 1}, {}]),
    ("value_long", {"a": "v" * 513}),
]


@pytest.mark.parametrize(("code", "value"), OBJECTS)
def test_objects_by_their_rules(code, value) -> None:
    """Where the workspace takes objects, their own limits hold."""
    shaped = _shaper(objects=True).shape(_user({"cart": value}))
    assert code in {finding.code for finding in shaped.findings}


def test_too_many_objects() -> None:
    """Ten attributes of a user may be objects, and five of an event."""
    shaper = _shaper(objects=True)
    assert not shaper.shape(_user({f"o{i}": {"a": 1} for i in range(10)})).findings
    assert shaper.shape(_user({f"o{i}": {"a": 1} for i in range(11)})).findings[0].code == "objects_many"
    assert shaper.shape(_event(attributes={f"o{i}": [{"a": 1}] for i in range(6)})).findings[0].code == "objects_many"


RIGHT = [
    _user({"name": "Zoë", "points": 12, "share": 0.5, "vip": True, "sizes": ["M", "L"], "numbers": [1, 2.5]}),
    _user({"since": "2026-11-12T14:20:00Z", "day": "2026-11-12", "phone": "+49 170 1234567", "zip": "50667"}),
    _user({"moe_unsubscribe": True, "moe_wa_subscription": "DOUBLE_OPTED_IN", "moe_mobile": "+49170"}),
    _user({"platforms": [{"platform": "ANDROID", "active": "true"}]}, update_existing_only=True),
    _event(attributes={"source": "web", "status": "paid", "user_id": "7", "moe_project_name": "Shop"}, platform="iOS"),
    _event(user_time=int(NOW), current_time=str(int(NOW * 1000)), user_timezone_offset=-54_000, platform="ANDROID"),
    _event(user_time="2026-09-01T10:00:00Z", current_time="2026-09-01T10:00:00.5Z", app_version="1.2"),
    _device({"platform": "TV", "push_id": "p", "moe_push_opted": "True", "moe_gaid": "g"}),
    _user({"text": "x" * 512, "list": ["v" * 512] * 50}),
]


@pytest.mark.parametrize("mapped", RIGHT)
def test_right_elements_leave_without_a_word(mapped) -> None:
    """Neither rejection nor finding for what the documents show."""
    shaped = _shaper().shape(mapped)
    assert shaped.rejection is None
    assert not shaped.findings
    assert shaped.items


def test_event_names_are_counted_for_the_workspace() -> None:
    """512 names are fine; from the next on each event of a new name is told."""
    shaper = _shaper()
    for number in range(512):
        assert not shaper.shape(_event(action=f"name {number}")).findings
    assert shaper.shape(_event(action="one more")).findings[0].code == "event_names_many"
    assert not shaper.shape(_event(action="name 3")).findings


def test_projects_of_a_portfolio() -> None:
    """An event without a project of the list, case included, would land where no project can use it."""
    shaper = _shaper(projects=["Shop", "Sports"])
    assert not shaper.shape(_event(attributes={"moe_project_name": "Shop"})).findings
    for given, code in (("shop", "project_unknown"), ("", "project_missing"), (["Shop"], "project_unknown")):
        codes = {one.code for one in shaper.shape(_event(attributes={"moe_project_name": given})).findings}
        assert code in codes
    assert shaper.shape(_event()).findings[0].code == "project_missing"
    assert not shaper.shape(_user({"a": 1})).findings


def test_unset_where_the_workspace_has_it() -> None:
    """The early-access call is checked as the others are."""
    shaper = _shaper(unset=True)
    assert shaper.shape(_user(unset_attributes=[{"type": "prefix", "attr": "tmp_"}])).rejection is None
    both = _user(unset_attributes=[{"type": "equals", "attr": "a", "case_sensitive": True}])
    assert shaper.shape(both).rejection.code == "array_edit_conflict"
    for wrong in ("x", [1], [{"type": "Equals", "attr": "x"}], [{"type": "equals"}], [{"type": [], "attr": "x"}]):
        assert shaper.shape(_user(unset_attributes=wrong)).rejection.code == "unset_form"


def test_a_refused_element_keeps_its_neighbours() -> None:
    """An event leaves whole or not at all."""
    shaped = _shaper().shape({**_user({"a": 1}), "event": {"actions": [{"action": ""}]}})
    assert shaped.rejection is not None
    assert not shaped.items


def test_words_quote_no_value() -> None:
    """Reasons go to logs and headers of dead letters, where nobody's data may stand."""
    for code, mapped in REFUSED:
        shaped = _shaper().shape(mapped)
        assert "guest" not in shaped.rejection.reason, code
        assert "windows" not in shaped.rejection.reason


def test_every_code_is_explained_and_met() -> None:
    """The lists of codes hold what the checks say, and nothing else."""
    refused = {code for code, _ in REFUSED} | {"unset_form", "element_missing", "not_json"}
    assert refused == set(REJECTION_CODES)
    found = {code for code, _, _ in FOUND} | {code for code, _ in OBJECTS}
    found |= {"event_names_many", "objects_many", "project_missing", "project_unknown"}
    assert found == set(FINDING_CODES)


def test_ids_that_are_fine() -> None:
    """Two characters are enough, and refused words within others are not meant."""
    assert not [one for one in ("ab", "10", "guest-1", "C-1", "ünï", "00") if id_problem(one)]
