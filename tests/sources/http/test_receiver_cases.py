"""Bodies as others have sent them, each with what has to become of it: nothing disappears, no digit changes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from bridge.sources.http.intake import RecordLimits, records_of
from bridge.sources.moengage.decoder import DECODER

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "cases" / "receiver.jsonl").read_text("utf-8").splitlines()
]
_HELD = ("event_attributes", "identities", "identities_as_sent")


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_bodies(case):
    """Keys and parts of the events, and the codes of the dead letters, which hold the body as it came."""
    body = case["body"].encode()
    intake = records_of(body, RecordLimits(1_000_000, 1_000_000), datetime(2026, 1, 1, tzinfo=UTC), DECODER)
    assert [key and key.decode() for key, *_ in intake.events] == case.get("keys", [])
    assert [letter.code for letter in intake.dead_letters] == case.get("dead", [])
    assert all(letter.value == body for letter in intake.dead_letters)
    for _, value, _ in intake.events:
        event = orjson.loads(value)
        assert {name: event.get(name) for name in _HELD if name in case} == {
            name: case[name] for name in _HELD if name in case
        }
