"""Failed records find the events they came from."""

from __future__ import annotations

import json
from types import SimpleNamespace

from bridge.routes.originals import Originals
from bridge.sources.moengage.decoder import DECODER


def _event(uuid, **more):
    return {"event_code": "X", "event_uuid": uuid, "event_time": 1731421200, "uid": "u", **more}


def _record(value, *, offset=0, timestamp=1, headers=()):
    value = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return SimpleNamespace(key=b"u", value=value, partition=2, offset=offset, timestamp=timestamp, headers=headers)


def test_an_event_is_found_as_it_was_consumed():
    """Value, key, place, headers of others, and how often it was replayed."""
    originals = Originals(DECODER, {"e1"})
    record = _record(_event("e1"), offset=7, headers=[("bridge.replays", b"2"), ("trace", b"t")])
    for one in (_record(_event("e0")), record):
        originals.look_at(one)
    assert list(originals.found) == ["e1"]
    found = originals.found["e1"]
    assert (found.key, found.value, found.partition, found.offset) == (b"u", record.value, 2, 7)
    assert (found.replays, found.headers) == (2, [("trace", b"t")])


def test_one_of_several_events_comes_alone():
    """A record of another writer may hold a batch."""
    originals = Originals(DECODER, {"e2"})
    originals.look_at(_record({"app_name": "A", "events": [_event("e1"), _event("e2"), _event("e3")]}))
    (event,) = DECODER.decode(originals.found["e2"].value)
    assert "e2" in (event.get("id"), event.get("event_uuid"))


def test_the_newest_of_several_counts():
    """A replayed event is in the topic more than once."""
    originals = Originals(DECODER, {"e1"})
    for offset, timestamp in ((1, 5), (2, 9), (3, 7)):
        originals.look_at(_record(_event("e1"), offset=offset, timestamp=timestamp))
    assert originals.found["e1"].offset == 2


def test_what_cannot_be_read_holds_nothing():
    """No JSON, no object, no value."""
    originals = Originals(DECODER, {"e1", "None"})
    for value in (b"{", b"[1]", b'"e1"', None, {"event_uuid": None}):
        originals.look_at(_record(value))
    assert originals.found == {}


def test_an_event_that_was_replayed_as_xdm_is_found_by_its_id():
    """Its letter is to be XDM once more, with one replay more."""
    originals = Originals(DECODER, {"e1"}, literal=True)
    headers = [("bridge.form", b"xdm"), ("bridge.replays", b"2")]
    for value in ({"_id": "e1"}, b"{", {"_id": "e2"}):
        originals.look_at(_record(value, headers=headers))
    found = originals.found["e1"]
    assert (found.form, found.replays, found.headers) == ("xdm", 2, [])


def test_ids_are_found_without_decoding_every_record_and_none_is_missed():
    """Numbers, blanks, escapes, batches: what decoding finds is found; what plainly holds no wanted id is not decoded."""
    decoded = []

    class Counting:
        def __getattr__(self, name):
            return getattr(DECODER, name)

        def decode(self, value):
            decoded.append(value)
            return DECODER.decode(value)

    originals = Originals(Counting(), {"e1", "17", "e3", "e4", "e5"}, literal=True)
    originals.look_at(_record(json.dumps(_event("e1"), indent=2).encode()))
    originals.look_at(_record(_event(17)))
    originals.look_at(_record({"app_name": "A", "events": [_event("x"), _event("e3")]}))
    originals.look_at(_record(json.dumps(_event("e4")).replace("e4", "\\u0065\\u0034").encode()))
    for number in range(50):
        originals.look_at(_record(_event(f"other-{number}")))
    assert set(originals.found) == {"e1", "17", "e3", "e4"}
    assert originals.missing == 1
    assert len(decoded) == 4
