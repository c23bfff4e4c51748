"""Folding successive changes of a user: the folded element does what the two do, for any state of the user."""

from __future__ import annotations

from copy import deepcopy

import orjson
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bridge.destinations.moengage.coalescing import fold, fold_items

ADD, REMOVE = "addValueToArrayField", "removeValueFromArrayField"
LISTS = ("c", "AEPSegments")
"""Attributes that hold lists: an attribute has one type in MoEngage, and what an edit makes of another is not documented."""
names = st.sampled_from(["a", "b", *LISTS])
plain = st.one_of(st.sampled_from(["A", "B", "C", ""]), st.integers(0, 2), st.booleans())
lists = st.lists(st.sampled_from(["A", "B", "C", "D", 1, True]), min_size=0, max_size=4)


@st.composite
def users(draw):
    """A user's element by the rules: one kind of change for each attribute."""
    attributes, adds, removes, unset = {}, {}, {}, []
    for name in draw(st.lists(names, unique=True, max_size=4)):
        match draw(st.sampled_from(["list", "add", "remove", "unset"] if name in LISTS else ["set", "unset"])):
            case "set":
                attributes[name] = draw(plain)
            case "list":
                attributes[name] = draw(lists)
            case "add":
                adds[name] = draw(lists)
            case "remove":
                removes[name] = draw(lists)
            case "unset":
                unset.append({"type": "equals", "attr": name, "case_sensitive": True})
    if adds:
        attributes[ADD] = adds
    if removes:
        attributes[REMOVE] = removes
    made = {"type": "customer", "customer_id": "C-1", "attributes": attributes}
    return made | ({"unset_attributes": unset} if unset else {})


def _key(value):
    return (isinstance(value, bool), value)


def _set(values):
    return {_key(one): one for one in values}


def applied(state, element):
    """The user after an element: edited lists as sets, an edit of what is no list beginning one, unset last."""
    state = dict(state)
    attributes = element.get("attributes", {})
    for name, value in attributes.items():
        if name not in (ADD, REMOVE):
            state[name] = _set(value) if isinstance(value, list) else value
    for name, values in attributes.get(ADD, {}).items():
        held = state.get(name)
        state[name] = {**(held if isinstance(held, dict) else {}), **_set(values)}
    for name, values in attributes.get(REMOVE, {}).items():
        held = state.get(name)
        if isinstance(held, dict):
            state[name] = {key: one for key, one in held.items() if key not in _set(values)}
    for entry in element.get("unset_attributes", []):
        state.pop(entry["attr"], None)
    # A list without values cannot be told from none.
    return {name: value for name, value in state.items() if value != {}}


states = st.builds(
    lambda plains, held: {**plains, **held},
    st.dictionaries(st.sampled_from(["a", "b"]), plain),
    st.dictionaries(st.sampled_from(LISTS), lists.map(_set)),
)


@given(states, users(), users())
def test_a_fold_does_what_both_do(state, first, second) -> None:
    """Whatever the user had before, one element or two end in the same attributes."""
    before = deepcopy((first, second))
    folded = fold(first, second)
    event("folded" if folded else "not folded")
    assert (first, second) == before
    if folded is not None:
        assert applied(state, folded) == applied(applied(state, first), second)


@given(users(), users())
def test_a_fold_keeps_the_rules(first, second) -> None:
    """No attribute has two kinds of change, and the element begins with its type."""
    folded = fold(first, second)
    if folded is None:
        return
    attributes = dict(folded.get("attributes", {}))
    kinds = [set(attributes.pop(ADD, {})), set(attributes.pop(REMOVE, {})), set(attributes)]
    kinds.append({entry["attr"] for entry in folded.get("unset_attributes", [])})
    assert sum(map(len, kinds)) == len(set().union(*kinds))
    assert orjson.dumps(folded).startswith(b'{"type":"customer","customer_id":"C-1"')


@given(st.lists(users(), min_size=2, max_size=8))
def test_a_burst_folds_as_far_as_it_can(burst) -> None:
    """Element by element, with what cannot be folded kept in its order, the end is the same."""
    sent: list[dict] = []
    for one in burst:
        folded = fold(sent[-1], one) if sent else None
        if folded is None:
            sent.append(one)
        else:
            sent[-1] = folded
    state, wanted = {}, {}
    for one in sent:
        state = applied(state, one)
    for one in burst:
        wanted = applied(wanted, one)
    assert state == wanted


def _user(attributes, **more):
    return {"type": "customer", "customer_id": "C-1", "attributes": attributes, **more}


@pytest.mark.parametrize(
    ("first", "second", "folded"),
    [
        ({"a": 1, "b": 2}, {"a": 3}, {"b": 2, "a": 3}),
        ({"s": ["A"]}, {ADD: {"s": ["B", "A"]}}, {"s": ["A", "B"]}),
        ({"s": ["A", "B"]}, {REMOVE: {"s": ["A"]}}, {"s": ["B"]}),
        ({ADD: {"s": ["A"]}}, {ADD: {"s": ["B"]}}, {ADD: {"s": ["A", "B"]}}),
        ({ADD: {"s": ["A"]}}, {REMOVE: {"s": ["A", "C"]}}, {REMOVE: {"s": ["A", "C"]}}),
        ({REMOVE: {"s": ["A"]}}, {ADD: {"s": ["A"]}}, {ADD: {"s": ["A"]}}),
        ({ADD: {"s": ["A"]}}, {"s": ["Z"]}, {"s": ["Z"]}),
    ],
)
def test_examples(first, second, folded) -> None:
    """Last value wins; edits of lists are combined in order."""
    assert fold(_user(first), _user(second)) == _user(folded)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (_user({ADD: {"s": ["A"]}}), _user({REMOVE: {"s": ["B"]}})),
        (_user({"s": ["A"]}), _user({REMOVE: {"s": ["A"]}})),
        (_user({"s": "text"}), _user({ADD: {"s": ["A"]}})),
        (_user({"s": [str(i) for i in range(50)]}), _user({ADD: {"s": ["A"]}})),
        (_user({ADD: {"s": list(range(50))}}), _user({ADD: {"s": ["A"]}})),
        (_user({"a": 1}), _user({"a": 2}, update_existing_only=True)),
        (_user({"a": 1}), {**_user({"a": 2}), "customer_id": "C-2"}),
        (_user({"a": 1}), _user({}, unset_attributes=[{"type": "prefix", "attr": "b"}])),
        (_user({"a": 1}), _user({"a": 2}, surprise=True)),
    ],
)
def test_what_one_element_cannot_say_is_left_apart(first, second) -> None:
    """Both are sent then, in their order."""
    assert fold(first, second) is None


def test_only_users_are_folded() -> None:
    """Events are immutable, and each of them counts."""
    user = orjson.dumps(_user({"a": 1}))
    purchase = b'{"type":"event","customer_id":"C-1","actions":[{"action":"a"}]}'
    assert fold_items(user, user) == user
    assert fold_items(user, purchase) is fold_items(purchase, purchase) is fold_items(purchase, user) is None
