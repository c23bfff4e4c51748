"""How much may a profile cost? Time in proportion to its size, and no more events than there is room for."""

import time

from adobe_messages import decoder, events

from bridge.model.event import Bound


def test_a_huge_profile_takes_time_in_proportion():
    """Many ids of a namespace, many audiences, many names with entities: none of it makes the event loop wait for minutes."""
    many = range(20_000)
    ids = {"user_id": [{"id": f"C-{number}"} for number in many]}
    members = {f"a&{number}": {"status": "realized"} for number in many}
    profile = {"identityMap": ids, "segmentMembership": {"ups": members}}
    printed = {f"a&amp;{number}": f"A {number}" for number in many}
    began = time.process_time()
    (event,) = events({"profile": profile, "names": {"ups": printed}}, decoder(several_ids="first"))
    assert time.process_time() - began < 2
    assert len(event["audiences"]) == len(event["identities"]["user_id"]) == 20_000
    assert event["audiences"][-1]["name"] == "A 19999"


def test_a_record_that_would_become_too_much_is_one_refusal():
    """The bound is counted before anything is made."""
    each = decoder(several_ids="each")
    many = {"identityMap": {"user_id": [{"id": f"C-{number}"} for number in range(50)]}, "a": "x" * 1000}
    assert [found.code for found in each.events_of(many, Bound(events=20, bytes=10**6))] == ["too_many_events"]
    assert [found.code for found in each.events_of(many, Bound(events=100, bytes=10**4))] == ["too_many_events"]
    assert len(each.events_of(many, Bound(events=100, bytes=10**6))) == 50
