"""A rehearsal of one record: all that taking it would do, so that a mapping that never ends is met there, and nothing that stays."""

from types import SimpleNamespace

import pytest

from bridge.kafka.consumer.ledger import Ledger
from bridge.model.errors import NotJson
from bridge.model.event import LeftOut, Refusal
from bridge.telemetry.metrics import Metrics
from bridge.worker.chunk_mapping import ChunkMapping

EVENTS = [{"n": 1}, LeftOut("consent"), {"n": 2, "explode": 1}, Refusal("no_event", "a number"), {"n": 3}]


class _Rehearsed:
    """Decoder, transform and memory in one, which note what they are asked."""

    mapping = None

    def __init__(self):
        self.asked = []

    def decode(self, value):
        self.asked.append(("decode", value))
        if value == b"broken":
            raise NotJson("not JSON")
        return EVENTS

    def apply(self, event):
        self.asked.append(("apply", event))
        if "explode" in event:
            raise ZeroDivisionError
        return b"x"

    def apply_unmapped(self, value):
        self.asked.append(("unmapped", value))
        raise ZeroDivisionError

    def rehearse(self, event, record):
        return {**event, "known": record.value}

    def forget(self):
        self.asked.append("forget")


def _rehearse(value, headers=(), *, memory=False):
    seen = _Rehearsed()
    mapping = ChunkMapping(
        Ledger(), seen, seen, delivery=None, letters=None, metrics=Metrics(), memory=seen if memory else None
    )
    mapping.rehearse(SimpleNamespace(value=value, headers=headers))
    return seen.asked


@pytest.mark.parametrize("headers", [None, (), [("own", b"1"), ("bridge.form", b"event")]])
def test_each_event_is_mapped_and_all_is_forgotten(headers):
    """Also behind one that fails; what is none is passed over."""
    asked = [("decode", b"v"), *(("apply", EVENTS[at]) for at in (0, 2, 4)), "forget"]
    assert _rehearse(b"v", headers) == asked


def test_a_route_that_remembers_maps_what_its_memory_prepares():
    """As if nothing were known, and the memory forgets it too."""
    prepared = [("apply", {**EVENTS[at], "known": b"v"}) for at in (0, 2, 4)]
    asked = [("decode", b"v"), *prepared, "forget", "forget"]
    assert _rehearse(b"v", memory=True) == asked


def test_what_was_replayed_as_it_leaves_is_checked_alone():
    """It is neither decoded nor mapped, whatever the checks do."""
    assert _rehearse(b"v", [("bridge.form", b"xdm")], memory=True) == [("unmapped", b"v"), "forget"]


def test_what_says_nothing_is_not_looked_at():
    """A tombstone, whatever its headers; what cannot be decoded is forgotten at once."""
    assert _rehearse(None, [("bridge.form", b"xdm")]) == []
    assert _rehearse(b"broken") == [("decode", b"broken"), "forget"]
