"""Several events of one record are refused: each lies alone in its envelope, or one letter stands for all that are alike."""

import asyncio
import json

import pytest
from awaiting import until
from letter_scene import LetterTopic, letters_over
from virtual_time import in_virtual_time

from bridge.model.dead_letter import DeadLetter
from bridge.model.verdicts import Rejected, Stage

NO = Rejected(Stage.DELIVER, "aep_400", "refused")


@in_virtual_time
async def test_an_event_of_a_batch_lies_alone_in_its_envelope():
    """Neighbours in the same record are not dragged along."""
    topic = LetterTopic()
    body = {"app_name": "Luma", "events": [{"event_uuid": "a"}, {"event_uuid": "b"}]}
    _, chunk, letters = letters_over(topic, [json.dumps(body).encode()])
    letters.start()
    letters.put(chunk, 0, 1, NO, 1)
    await asyncio.sleep(0.05)
    _, value, headers = topic.stored[0]
    assert json.loads(value) == {"app_name": "Luma", "events": [{"event_uuid": "b"}]}
    assert ("bridge.event_uuid", b"b") in headers
    await letters.stop()


def _batch(count):
    return json.dumps({"app_name": "Luma", "events": [{"event_uuid": f"u{n}"} for n in range(count)]}).encode()


@in_virtual_time
async def test_many_equal_refusals_of_one_record_are_one_letter():
    """Twenty get letters of their own, the record as it came stands for all that follow; every one of them is acknowledged."""
    topic = LetterTopic()
    topic.confirm.clear()
    ledger, chunk, letters = letters_over(topic, [_batch(100)])
    chunk.unresolved = 100
    letters.start()
    for part in range(50):
        letters.put(chunk, 0, part, NO, 1)
    await asyncio.sleep(0.01)
    for part in range(50, 80):
        letters.put(chunk, 0, part, NO, 1)
    topic.confirm.set()
    await until(lambda: len(letters) == 0)
    for part in range(80, 99):
        letters.put(chunk, 0, part, NO, 1)
    letters.put(chunk, 0, 99, Rejected(Stage.DELIVER, "other", "why"), 1)
    await until(ledger.committable)
    stored = [DeadLetter.from_headers(*record) for record in topic.stored]
    assert len(stored) == 22
    assert [each.event_uuid for each in stored[:20]] == [f"u{n}" for n in range(20)]
    assert (stored[20].value, stored[20].event_uuid) == (_batch(100), None)
    assert (stored[21].event_uuid, stored[21].code) == ("u99", "other")
    assert letters._metrics.rejected_events.labels("deliver", "aep_400")._value.get() == 99
    await letters.stop()


@in_virtual_time
async def test_a_letter_tells_for_how_many_it_stands():
    """Refusals that come before the letter leaves are in its header."""
    topic = LetterTopic()
    ledger, chunk, letters = letters_over(topic, [_batch(60)])
    chunk.unresolved = 60
    for part in range(60):
        letters.put(chunk, 0, part, NO, 1)
    letters.start()
    await until(ledger.committable)
    assert DeadLetter.from_headers(*topic.stored[20]).events == 40
    await letters.stop()


@in_virtual_time
async def test_a_record_that_the_topic_cannot_take_whole_stands_for_nothing():
    """Events would be cut off: then every one has its own letter."""
    topic = LetterTopic(limit=4_000)
    ledger, chunk, letters = letters_over(topic, [_batch(60)])
    chunk.unresolved = 60
    letters.start()
    for part in range(60):
        letters.put(chunk, 0, part, NO, 1)
    await until(ledger.committable)
    assert [DeadLetter.from_headers(*record).event_uuid for record in topic.stored] == [f"u{n}" for n in range(60)]
    await letters.stop()


@in_virtual_time
async def test_letters_of_one_record_cost_linear_time(monkeypatch):
    """A record is parsed once for all of its events that are refused with different codes."""
    from bridge.sources.http import json_decoding

    parsed = []
    genuine = json_decoding.parse_json
    monkeypatch.setattr(json_decoding, "parse_json", lambda value: parsed.append(1) or genuine(value))
    _, chunk, letters = letters_over(LetterTopic(), [_batch(2_000)])
    for part in range(2_000):
        letters.put(chunk, 0, part, Rejected(Stage.DELIVER, f"code{part}", "why"), 1)
    assert len(parsed) == 1


@in_virtual_time
async def test_records_are_not_mixed_up():
    """Two records in turn, and more of them than are remembered: each letter holds its own event."""
    topic = LetterTopic()
    values = [json.dumps({"events": [{"event_uuid": f"{n}-{part}"} for part in range(3)]}).encode() for n in range(20)]
    ledger, chunk, letters = letters_over(topic, values)
    chunk.unresolved = 60
    for part in range(3):
        for row in range(20):
            letters.put(chunk, row, part, NO, 1)
    letters.start()
    await until(ledger.committable)
    assert [json.loads(value)["events"][0]["event_uuid"] for _, value, _ in topic.stored] == [
        f"{n}-{part}" for part in range(3) for n in range(20)
    ]
    assert len(letters._parts._records) <= 8
    await letters.stop()


@pytest.mark.parametrize(("room", "letters_of"), [(5_000, 21), (4_999, 60)])
@in_virtual_time
async def test_a_record_stands_for_its_events_as_long_as_it_fits_with_its_headers(room, letters_of):
    """Five thousand bytes are kept for key and headers."""
    value = _batch(60)
    topic = LetterTopic(limit=len(value) + room)
    ledger, chunk, letters = letters_over(topic, [value])
    chunk.unresolved = 60
    for part in range(60):
        letters.put(chunk, 0, part, NO, 1)
    letters.start()
    await until(ledger.committable)
    assert len(topic.stored) == letters_of
    await letters.stop()
