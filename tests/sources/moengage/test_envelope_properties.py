"""Whatever JSON arrives, and whatever bytes."""

from __future__ import annotations

import copy

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import NotJson
from bridge.model.event import Refusal
from bridge.sources.http.json_reading import encode, parse_json
from bridge.sources.moengage.canonical import record_key
from bridge.sources.moengage.envelopes import events_of, isolate

_names = st.sampled_from(
    [
        *("uid", "email_id", "mobile_number", "event_uuid", "event_time", "event_code", "event_name", "id", "time"),
        *("identities", "user_attributes", "moengage_user_id", "externalId", "email", "events", "event", "app_name"),
    ]
)
_leaves = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_json = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=3), inner, max_size=6),
    max_leaves=25,
)
_events = st.dictionaries(_names, _json, max_size=8).map(lambda event: {"event_code": "X", **event})
documents = (
    _json
    | _events
    | st.builds(
        lambda fields, events: {**fields, "events": events},
        st.dictionaries(_names, _leaves, max_size=3),
        st.lists(_events | _json, max_size=4),
    )
    | st.builds(lambda event: {"app_name": "A", "event": event}, _events)
)


@given(documents)
def test_events_of_is_idempotent_and_changes_nothing(document: object) -> None:
    """No JSON makes it raise; reading a canonical event again gives the same; the input stays what it was."""
    before = copy.deepcopy(document)
    for event in events_of(document):
        if isinstance(event, Refusal):
            continue
        (again,) = events_of(event)
        assert again is event
        key = record_key(event)
        assert key is None or key
    assert document == before


@given(documents)
def test_isolated_events_read_the_same(document: object) -> None:
    """An event alone in its envelope, written and read again, is the event it was in the batch."""
    found = events_of(document)
    for index, event in enumerate(found):
        alone = events_of(isolate(document, index))
        assert list(alone) == [event]
        written = encode(isolate(document, index))
        assert isinstance(written, bytes)
        assert list(events_of(parse_json(written))) == [event]


@given(documents)
def test_originals_stay_by_their_own_name(document: object) -> None:
    """A canonical event holds everything the event held; only blanks that can be derived are filled."""
    if not (isinstance(document, dict) and isinstance(document.get("event_code"), str)):
        return
    (event,) = events_of(document)
    assert isinstance(event, dict)
    for name, value in document.items():
        if name == "identities" and isinstance(value, dict):
            kept = event.get("identities_as_sent", {}) | event[name]
            assert all(
                kept[k] == v or event["identities_as_sent"] == value for k, v in value.items() if v not in (None, "")
            )
        elif name == "identities" and event[name] != value:
            assert value in ([], "") or event["identities_as_sent"] == value
        elif value is not None and not (name.endswith("_attributes") and value in ([], "")):
            assert event[name] == value


@given(
    st.binary(max_size=200)
    | documents.map(orjson.dumps)
    | st.text(max_size=100).map(lambda t: t.encode("cp1252", "replace"))
)
def test_any_bytes_are_json_or_not(body: bytes) -> None:
    """Bytes either parse to something that can be read as events, or raise the one error."""
    try:
        document = parse_json(body)
    except NotJson:
        return
    events_of(document)
    written = encode(document)
    assert isinstance(written, bytes | Refusal)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_survives_utf8(text: str) -> None:
    """Valid UTF-8 is never touched by the fallbacks."""
    assert parse_json(orjson.dumps(text)) == text


_known = ("uid", "email_id", "mobile_number", "event_uuid", "event_time", "app_name", "event_name")
_ids = st.none() | st.sampled_from(["", "NW-1", 0, 7, 7.0, False]) | _json
_nearly_complete = st.builds(
    lambda more, identities, attributes: {
        "event_code": "X",
        "id": "e",
        "time": 1,
        "identities": identities,
        "user_attributes": attributes,
        **more,
    },
    st.dictionaries(st.sampled_from([*_known, "event_code", "id", "time", "identities", "user_attributes"]), _ids),
    st.dictionaries(st.sampled_from(["externalId", "email", "phone", "moengageUserId", "ecid"]), _ids),
    st.none() | st.dictionaries(st.sampled_from(["moengage_user_id", "tier"]), _ids),
)


@given(_nearly_complete)
def test_a_complete_event_is_taken_as_it_is_only_where_nothing_could_be_derived(event: dict[str, object]) -> None:
    """An event that is taken at a glance reads as it does inside an envelope, where every rule is applied."""
    (alone,) = events_of(event)
    (inside,) = events_of({"event": event})
    if not isinstance(inside, Refusal):
        assert repr(alone) == repr(inside)
