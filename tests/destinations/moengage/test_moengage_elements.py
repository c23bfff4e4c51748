"""Elements out of what a mapping set gives: which are made, in which order, and what nulls mean."""

from __future__ import annotations

from copy import deepcopy

import pytest

from bridge.destinations.moengage.elements import NullRules, elements_of


def _values(mapped, **options):
    elements, wrong = elements_of(mapped, **options)
    assert not wrong
    return [element.value for element in elements]


def test_one_record_gives_user_device_and_event_in_this_order() -> None:
    """The user comes first, as devices and events are of a user that is there."""
    mapped = {
        "event": {"actions": [{"action": "purchase"}]},
        "device": {"device_id": "d", "attributes": {"platform": "iOS"}},
        "customer": {"customer_id": "C-1", "attributes": {"email": "a@example.com"}},
    }
    before = deepcopy(mapped)
    assert _values(mapped) == [
        {"type": "customer", "customer_id": "C-1", "attributes": {"email": "a@example.com"}},
        {"type": "device", "customer_id": "C-1", "device_id": "d", "attributes": {"platform": "iOS"}},
        {"type": "event", "customer_id": "C-1", "actions": [{"action": "purchase"}]},
    ]
    assert mapped == before, "what the mapping gave may be the event's own"


@pytest.mark.parametrize("only", [{"customer_id": "C-1"}, {"customer_id": "C-1", "update_existing_only": True}])
def test_an_id_alone_makes_no_user(only) -> None:
    """A row that says whose values they are, or how to take them, gives no value."""
    mapped = {"customer": only, "event": {"actions": [{"action": "purchase"}]}}
    assert [value["type"] for value in _values(mapped)] == ["event"]


@pytest.mark.parametrize("mapped", [{}, {"customer": {"customer_id": "C-1"}}, {"event": {"customer_id": "C-1"}}])
def test_nothing_to_send_is_told(mapped) -> None:
    """An event of which nothing is left does not vanish."""
    elements, wrong = elements_of(mapped)
    assert not elements
    assert [remark.code for remark in wrong] == ["element_missing"]


def test_an_element_of_its_own_customer_keeps_it() -> None:
    """The shared id is for elements that name none."""
    mapped = {"customer": {"customer_id": "C-1"}, "event": {"customer_id": "C-2", "actions": [{"action": "a"}]}}
    assert [value["customer_id"] for value in _values(mapped)] == ["C-2"]


@pytest.mark.parametrize(("given", "made"), [(42, "42"), (-(2**62), str(-(2**62))), ("042", "042")])
def test_whole_numbers_become_the_text_of_their_digits(given, made) -> None:
    """Ids are text; those of 64 bits keep each digit."""
    assert _values({"customer": {"customer_id": given, "attributes": {"a": 1}}})[0]["customer_id"] == made


def test_lists_of_elements_become_one_each() -> None:
    """A record may be about several users or hold several events."""
    mapped = {
        "customer": [{"customer_id": "A", "attributes": {"x": 1}}, {"customer_id": "B", "attributes": {"x": 1}}],
        "event": [{"actions": [{"action": "a"}]}, {"customer_id": "B", "actions": [{"action": "b"}]}],
    }
    elements, wrong = elements_of(mapped)
    assert not wrong
    assert [(one.value["customer_id"], one.path) for one in elements] == [
        ("A", "#/customer/0"),
        ("B", "#/customer/1"),
        ("A", "#/event/0"),
        ("B", "#/event/1"),
    ]


@pytest.mark.parametrize("given", ["text", 3, [1]])
def test_what_is_no_object_is_told(given) -> None:
    """A value where an element belongs is refused, not left out."""
    assert [remark.code for remark in elements_of({"event": given})[1]] == ["element_form"]


def test_both_edits_of_one_attribute_become_two_elements() -> None:
    """One call may not add to and remove from one attribute; removed first, so that a full list has room."""
    edits = {"addValueToArrayField": {"AEPSegments": ["A"]}, "removeValueFromArrayField": {"AEPSegments": ["B"]}}
    mapped = {"customer": {"customer_id": "C-1", "attributes": {"email": "e", **edits}}}
    assert _values(mapped) == [
        {
            "type": "customer",
            "customer_id": "C-1",
            "attributes": {"removeValueFromArrayField": {"AEPSegments": ["B"]}},
        },
        {
            "type": "customer",
            "customer_id": "C-1",
            "attributes": {"email": "e", "addValueToArrayField": {"AEPSegments": ["A"]}},
        },
    ]


def test_edits_of_different_attributes_stay_together() -> None:
    """Only edits of one attribute have to be kept apart."""
    edits = {"addValueToArrayField": {"x": ["A"]}, "removeValueFromArrayField": {"y": ["B"]}}
    assert len(_values({"customer": {"customer_id": "C-1", "attributes": edits}})) == 1


def test_a_value_added_and_removed_at_once_is_refused() -> None:
    """No order of the two would be right."""
    edits = {"addValueToArrayField": {"x": ["A", "B"]}, "removeValueFromArrayField": {"x": ["B"]}}
    wrong = elements_of({"customer": {"customer_id": "C-1", "attributes": edits}})[1]
    assert [remark.code for remark in wrong] == ["array_edit_conflict"]


def test_nulls_by_their_rules() -> None:
    """Skipped ones leave no trace, cleared ones an empty text, unset ones an entry of unset_attributes."""
    rules = NullRules({"a": "skip", "b": "clear", "c": "unset", "d": "clear", "email": "clear"})
    mapped = {"customer": {"customer_id": "C-1", "attributes": {"email": "e"}}}
    assert _values(mapped, nulls=rules, failed={"d"}) == [
        {
            "type": "customer",
            "customer_id": "C-1",
            "attributes": {"email": "e", "b": ""},
            "unset_attributes": [{"type": "equals", "attr": "c", "case_sensitive": True}],
        }
    ]


def test_nulls_alone_make_no_user() -> None:
    """An event without a value for the user must not clear all that the user has."""
    rules = NullRules({"b": "clear"})
    mapped = {"customer": {"customer_id": "C-1"}, "event": {"actions": [{"action": "a"}]}}
    assert [value["type"] for value in _values(mapped, nulls=rules)] == ["event"]


def test_an_edited_attribute_is_not_cleared() -> None:
    """It has no value of its own because its values are added one by one."""
    rules = NullRules({"x": "clear"})
    mapped = {"customer": {"customer_id": "C-1", "attributes": {"addValueToArrayField": {"x": ["A"]}}}}
    assert _values(mapped, nulls=rules)[0]["attributes"] == {"addValueToArrayField": {"x": ["A"]}}
