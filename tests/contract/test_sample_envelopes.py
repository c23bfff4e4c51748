"""The sample bodies, one line a request: every documented shape in and out."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bridge.sources.http.json_reading import parse_json
from bridge.sources.moengage.canonical import record_key
from bridge.sources.moengage.envelopes import events_of, isolate

DATA = Path(__file__).parent.parent / "data" / "samples"
LINES = (DATA / "moengage-events.jsonl").read_bytes().splitlines()
COUNTS = [4, 1, 3, 2, 4, 5, 9, 2, 1, 1, 0, 1, 100, 1]


@pytest.mark.parametrize("number", range(len(COUNTS)))
def test_every_sample_line(number: int) -> None:
    """Each body gives its documented number of events; each has an id, a time, a key, and round-trips alone."""
    document = parse_json(LINES[number])
    events = events_of(document)
    assert len(events) == COUNTS[number]
    for index, event in enumerate(events):
        assert isinstance(event, dict)
        assert event["id"]
        assert isinstance(event["time"], int)
        assert record_key(event)
        assert list(events_of(orjson.loads(orjson.dumps(isolate(document, index))))) == [event]


def test_seed_event_is_canonical_already() -> None:
    """The test payload of MoEngage's Adobe page is the canonical shape."""
    seed = parse_json((DATA / "seed-event.json").read_bytes())
    assert events_of(seed)[0] is seed
    assert record_key(seed) == b"customer_123"
