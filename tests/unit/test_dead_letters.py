"""Dead letters: stored and confirmed before their offsets move, held while the topic cannot be written."""

import asyncio
import json
from random import Random
from types import SimpleNamespace

import pytest

from bridge.dead_letter import DeadLetter
from bridge.errors import KafkaError
from bridge.pipeline.dead_letters import DeadLetters
from bridge.pipeline.ledger import Ledger
from bridge.pipeline.pacing import Backoff
from bridge.records import record_bytes
from bridge.telemetry.metrics import Metrics
from bridge.verdicts import Rejected, Stage

NO = Rejected(Stage.DELIVER, "aep_400", "refused")


class _Topic:
    """Fails so many times, then stores; confirms when told."""

    def __init__(self, failures=0, limit=1_000_000):
        self.failures, self._limit, self.stored = failures, limit, []
        self.confirm = asyncio.Event()
        self.confirm.set()

    def limit(self, _topic):
        return self._limit

    async def publish(self, records, *, topic=None):
        assert topic == "dead"
        if self.failures:
            self.failures -= 1
            raise KafkaError("away")
        await self.confirm.wait()
        self.stored += records


def _scene(topic, values):
    ledger = Ledger()
    ledger.open(1, {("t", 0): None})
    records = [
        SimpleNamespace(
            value=value, key=b"k", timestamp=0, topic="t", partition=0, offset=n, headers=[("own", b"1"), ("bridge.replays", b"2")]
        )
        for n, value in enumerate(values)
    ]  # fmt: skip
    chunk = ledger.fetch(("t", 0), 1, records, 1, first=0, last=len(values) - 1)
    chunk.mapping = "abc"
    ledger.admit(chunk, len(values))
    letters = DeadLetters(
        topic, "dead", Metrics(), stored=ledger.resolve,
        backoff=Backoff(Random(1), base=0.01, cap=0.01), size=record_bytes,
    )  # fmt: skip
    return ledger, chunk, letters


async def test_the_offset_moves_only_after_the_confirmation():
    """Until Kafka has confirmed the letter nothing may be committed."""
    topic = _Topic()
    topic.confirm.clear()
    ledger, chunk, letters = _scene(topic, [b"x"])
    letters.start()
    letters.put(chunk, 0, None, NO, 3)
    await asyncio.sleep(0.05)
    assert not ledger.committable()
    topic.confirm.set()
    await asyncio.sleep(0.05)
    assert ledger.committable() == {("t", 0): 1}
    key, value, headers = topic.stored[0]
    letter = DeadLetter.from_headers(key, value, headers)
    assert (key, value) == (b"k", b"x")
    assert (letter.code, letter.attempts, letter.mapping, letter.offset, letter.replays) == ("aep_400", 3, "abc", 0, 2)
    assert ("own", b"1") in headers
    await letters.stop()


async def test_a_topic_that_cannot_be_written_holds_everything_and_recovers():
    """Failure: unwritable, nothing acknowledged; then stored and released by itself."""
    topic = _Topic(failures=20)
    ledger, chunk, letters = _scene(topic, [b"x", b"y"])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    letters.put(chunk, 1, None, NO, 1)
    await asyncio.sleep(0.02)
    assert not letters.writable
    assert not ledger.committable()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if ledger.committable():
            break
    assert letters.writable
    assert [value for _, value, _ in topic.stored] == [b"x", b"y"]
    assert ledger.committable() == {("t", 0): 2}
    await letters.stop()


async def test_an_event_of_a_batch_lies_alone_in_its_envelope():
    """Neighbours in the same record are not dragged along."""
    topic = _Topic()
    body = {"app_name": "Luma", "events": [{"event_uuid": "a"}, {"event_uuid": "b"}]}
    _, chunk, letters = _scene(topic, [json.dumps(body).encode()])
    letters.start()
    letters.put(chunk, 0, 1, NO, 1)
    await asyncio.sleep(0.05)
    _, value, headers = topic.stored[0]
    assert json.loads(value) == {"app_name": "Luma", "events": [{"event_uuid": "b"}]}
    assert ("bridge.event_uuid", b"b") in headers
    await letters.stop()


@pytest.mark.parametrize(("uuid", "told"), [(12345, b"12345"), ("u" * 5_000, b"u" * 200)])
async def test_any_event_uuid_is_told_in_a_header_that_fits(uuid, told):
    """Numbers name an event too, and no event makes its own header grow without bound."""
    topic = _Topic()
    _, chunk, letters = _scene(topic, [json.dumps({"event_uuid": uuid}).encode()])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    assert dict(topic.stored[0][2])["bridge.event_uuid"] == told
    await letters.stop()


async def test_letters_of_a_revoked_partition_are_dropped():
    """The partition's next owner will find and store them."""
    topic = _Topic(failures=5)
    ledger, chunk, letters = _scene(topic, [b"x"])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    ledger.close([("t", 0)])
    await asyncio.sleep(0.2)
    assert not topic.stored
    assert len(letters) == 0
    await letters.stop()


async def test_a_value_larger_than_the_topic_takes_is_cut_and_says_so():
    """Better the beginning and the place of the whole than a worker that stands forever."""
    topic = _Topic(limit=1_000)
    _, chunk, letters = _scene(topic, [b"x" * 5_000])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    record = topic.stored[0]
    assert record_bytes(record) <= 1_000
    assert DeadLetter.from_headers(*record).truncated_from == 5_000
    await letters.stop()


async def test_a_key_larger_than_the_topic_takes_is_left_out():
    """The source topic may take larger records than the dead-letter topic: no key may hold a partition for ever."""
    topic = _Topic(limit=1_000)
    _, chunk, letters = _scene(topic, [b'{"event_uuid": "u"}'])
    chunk.records[0].key = b"k" * 5_000
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    key, value, _ = topic.stored[0]
    assert record_bytes(topic.stored[0]) <= 1_000
    assert (key, value) == (None, b'{"event_uuid": "u"}')
    assert DeadLetter.from_headers(*topic.stored[0]).truncated_from is None
    await letters.stop()


async def test_a_null_header_of_another_writer_goes_along():
    """Kafka allows a header without a value: the event is a dead letter all the same, and keeps it."""
    topic = _Topic()
    ledger, chunk, letters = _scene(topic, [b"x"])
    chunk.records[0].headers = [("theirs", None)]
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    assert ledger.committable() == {("t", 0): 1}
    assert ("theirs", None) in topic.stored[0][2]
    await letters.stop()
