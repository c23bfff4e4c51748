"""Which refused records have a letter already: nobody may take a topic that was not read to its end for one that was."""

from types import SimpleNamespace

import pytest

from bridge.kafka.dead_letters import ingest_letters
from bridge.kafka.dead_letters.ingest_letters import IngestLetters
from bridge.kafka.offset_range import UnfinishedReadingError
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings


class _Brokers:
    """A dead-letter topic of one partition; ``silent`` gives nothing from that offset on."""

    def __init__(self, *records):
        self.records, self.silent, self.at = list(records), None, 0
        self._fetcher = SimpleNamespace(_records={})

    async def start(self):
        """Connected."""

    async def stop(self):
        """And gone."""

    async def end_offsets(self, partitions):
        return dict.fromkeys(partitions, len(self.records))

    async def offsets_for_times(self, times):
        return dict.fromkeys(times, SimpleNamespace(offset=0) if self.records else None)

    def assign(self, _partitions):
        """The partition."""

    def seek(self, _partition, offset):
        self.at = offset

    async def position(self, _partition):
        return self.at

    async def getmany(self, partition, *, timeout_ms, max_records=None):
        assert timeout_ms
        assert max_records is None
        upto = len(self.records) if self.silent is None else self.silent
        found, self.at = self.records[self.at : upto], max(self.at, upto)
        return {partition: found} if found else {}


def _letter(offset, batch, record):
    headers = [("bridge.stage", b"ingest"), ("bridge.batch", batch.encode()), ("bridge.record", record.encode())]
    return SimpleNamespace(offset=offset, headers=headers)


@pytest.fixture
def brokers(monkeypatch):
    """What every consumer of the module is connected to."""
    there = _Brokers(_letter(0, "b1", "r1"), _letter(1, "b1", "r2"), _letter(2, "b2", "r1"))

    async def ensure_topics(_kafka, *, create, topics):
        assert not create
        return dict.fromkeys(topics, 1)

    monkeypatch.setattr(ingest_letters, "ensure_topics", ensure_topics)
    monkeypatch.setattr(ingest_letters, "AIOKafkaConsumer", lambda **_how: there)
    return there


async def test_letters_are_known_once_they_are_read(brokers):
    """Those of the batches that are asked about, each once; a second look reads what was stored since."""
    letters = IngestLetters(KafkaSettings(), ["b1"], 0)
    await letters.look()
    assert [place in letters for place in (("b1", "r1"), ("b1", "r2"), ("b2", "r1"))] == [True, True, False]
    brokers.records += [_letter(3, "b1", "r2"), _letter(4, "b1", "r3")]
    await letters.look()
    assert ("b1", "r3") in letters
    assert letters.counts == {"b1": 3}


async def test_brokers_that_fall_silent_are_an_error_and_no_end(brokers):
    """Whoever stored what seems to have no letter would store it twice."""
    brokers.silent = 1
    letters = IngestLetters(KafkaSettings(), ["b1"], 0)
    with pytest.raises(UnfinishedReadingError, match="at offset 1 of 3: no record came for 30 s"):
        await letters.look()
    brokers.silent = None
    await letters.look()
    assert ("b1", "r2") in letters


async def test_a_topic_that_is_made_again_between_two_looks_is_an_error(brokers):
    """What was read of it is gone, and what stands there now was not."""
    letters = IngestLetters(KafkaSettings(), ["b1"], 0)
    await letters.look()
    brokers.records = brokers.records[:1]
    with pytest.raises(KafkaError, match="ends before what was read of it"):
        await letters.look()
