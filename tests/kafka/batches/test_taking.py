"""Commands read what lies before a place that cannot be read, name the place, and stay within the bound of decompression."""

import ast
from pathlib import Path

import pytest
from aiokafka import TopicPartition, codec, errors
from aiokafka.record import default_records as plain_records
from aiokafka.record._crecords import default_records as compiled_records
from fetched_batches import Held, batch, rotten

import bridge.kafka
from bridge.kafka.batches.decompression import DECODERS, MOST_BYTES
from bridge.kafka.batches.taking import UnreadablePlaceError, named_places, take
from bridge.kafka.connection import reader_options
from bridge.kafka.dead_letters.stored_letters import up_to
from bridge.kafka.offset_range import records_in
from bridge.settings import KafkaSettings

PLACE = TopicPartition("events", 0)
BOMB = b"0" * (MOST_BYTES + 1)


class Stored:
    """A consumer whose brokers store ``batches`` of the partition, by their first offsets; each fetch brings all from the position on."""

    def __init__(self, batches, *, fails=None):
        self._held, self._batches, self.fails, self.fetches = Held(PLACE), batches, fails, 0
        self._fetcher = self._held.fetcher
        self.seek = self._held.seek

    def assign(self, partitions):
        """The one that is assigned."""
        assert partitions == [PLACE]

    async def position(self, partition):
        """As the client has it."""
        return self._held.subscriptions.subscription.assignment.state_value(partition).position

    async def getmany(self, partition, *, timeout_ms, max_records=None):
        """By way of the client's own fetcher."""
        if self.fails is not None and self.fetches >= 1:
            raise self.fails
        at = await self.position(partition)
        if partition not in self._fetcher._records:
            self.fetches += 1
            firsts = sorted(self._batches)
            begin = max([first for first in firsts if first <= at], default=0)
            self._held.receive(partition, *(self._batches[first] for first in firsts if first >= begin))
        return await self._fetcher.fetched_records([partition], timeout_ms / 1_000, max_records)


def _bombed(compression=1):
    return {
        0: batch(0, [b"a", b"b"]),
        2: batch(2, [b"c"]),
        3: batch(3, [BOMB, b"d"], compression=compression),
        5: batch(5, [b"e"]),
    }


async def _offsets(records, found):
    async for record in records:
        found.append(record.offset)


@pytest.mark.parametrize("compression", [1, 2, 3, 4])
async def test_a_reading_gives_all_before_a_bomb_and_names_its_place(compression):
    """Of every codec: nothing is decompressed beyond the bound, and what lies before it is not lost with its fetch."""
    reader_options(KafkaSettings())
    found = []
    with pytest.raises(UnreadablePlaceError, match=r"events\[0\] cannot be read at offset 3: BatchTooLarge") as told:
        await _offsets(records_in(Stored(_bombed(compression)), PLACE, 0, 6), found)
    assert found == [0, 1, 2]
    assert (told.value.partition, told.value.offset) == (0, 3)
    assert "kafka-dump-log.sh" in told.value.hint


async def test_a_reading_of_dead_letters_does_as_well():
    """The letters before it are listed, in pages or not; those behind it can be read from there on."""
    reader_options(KafkaSettings())
    found = []
    with pytest.raises(UnreadablePlaceError, match="at offset 3"):
        await _offsets(_letters(Stored(_bombed())), found)
    assert found == [0, 1, 2]
    found.clear()
    await _offsets(records_in(Stored(_bombed()), PLACE, 5, 6), found)
    assert found == [5]


async def _letters(consumer):
    async for page in up_to(consumer, PLACE, 6):
        for stored in page:
            yield stored


async def test_a_rotten_batch_is_a_place_like_any_other():
    """A checksum that does not match, in the first batch: nothing comes before it, and nothing is passed."""
    consumer = Stored({0: rotten(batch(0, [b"a"])), 1: batch(1, [b"b"])})
    for _ in range(3):
        with pytest.raises(UnreadablePlaceError, match="at offset 0: CorruptRecordException"):
            await take(consumer, PLACE, timeout_ms=10)
        assert await consumer.position(PLACE) == 0


async def test_a_batch_whose_length_is_damaged_is_named_and_not_passed():
    """The client takes it for too large, and has moved its position behind it before it says so."""
    consumer = Stored({0: batch(0, [b"a"])})
    await take(consumer, PLACE, timeout_ms=10)
    consumer._held.fail(PLACE, errors.RecordTooLargeError())
    consumer._held.subscriptions.subscription.assignment.state_value(PLACE).consumed_to(2)
    found = []
    with pytest.raises(UnreadablePlaceError, match="at offset 1: RecordTooLargeError"):
        await _offsets(_on_from_here(consumer), found)
    assert not found


async def _on_from_here(consumer):
    for record in await take(consumer, PLACE, timeout_ms=10):
        yield record


async def test_what_is_no_fault_of_the_data_stays_what_it_is():
    """Brokers that go away, before anything was parsed or while what lies before a place is read once more."""
    consumer = Stored(_bombed())
    consumer._held.fail(PLACE, errors.TopicAuthorizationFailedError())
    with pytest.raises(errors.TopicAuthorizationFailedError):
        await take(consumer, PLACE, timeout_ms=10)
    reader_options(KafkaSettings())
    consumer = Stored(_bombed(), fails=errors.KafkaConnectionError())
    with pytest.raises(errors.KafkaConnectionError):
        await take(consumer, PLACE, timeout_ms=10)
    assert await consumer.position(PLACE) == 0


async def test_a_lack_of_memory_is_nobodys_place(monkeypatch):
    """It says nothing about the data."""

    def lacks(_data):
        raise MemoryError

    monkeypatch.setattr(compiled_records, "gzip_decode", lacks)
    consumer = Stored({0: batch(0, [b"a" * 100], compression=1)})
    with pytest.raises(MemoryError):
        await take(consumer, PLACE, timeout_ms=10)
    consumer = Stored({0: batch(0, [b"a" * 100], compression=1)})
    with pytest.raises(MemoryError), named_places(consumer, [PLACE]):
        await consumer.getmany(PLACE, timeout_ms=10)


async def test_places_are_named_of_several_partitions_too():
    """As the state topic is read: all of its partitions at once."""
    reader_options(KafkaSettings())
    consumer, other = Stored({0: batch(0, [BOMB], compression=4)}), TopicPartition("events", 1)
    named = pytest.raises(UnreadablePlaceError, match=r"events\[0\] cannot be read at offset 0: BatchTooLarge")
    with named, named_places(consumer, [other, PLACE]):
        await consumer.getmany(PLACE, timeout_ms=10)
    with pytest.raises(KeyError), named_places(consumer, [other]):
        raise KeyError


def test_whoever_makes_a_reader_bounds_decompression(monkeypatch):
    """The client's own decoders are back; asking for a reader's options replaces all of them, in both of its parsers."""
    for module in (compiled_records, plain_records):
        for name in DECODERS:
            monkeypatch.setattr(module, name, getattr(codec, name))
    reader_options(KafkaSettings())
    for module in (compiled_records, plain_records):
        assert {name: getattr(module, name) for name in DECODERS} == DECODERS


def test_every_reader_is_made_so():
    """Each place in the code that makes a consumer takes a reader's options, or bounds it by itself, or never reads."""
    made = {}
    for path in Path(bridge.kafka.__file__).parents[1].rglob("*.py"):
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                names = {node.func.id for node in ast.walk(function) if _calls_by_name(node)}
                if "AIOKafkaConsumer" in names:
                    made[f"{path.stem}.{function.name}"] = bool(names & {"reader_options", "bound_client"})
    assert len(made) > 8
    assert [place for place, bounded in made.items() if not bounded] == ["group_offsets._connect"], "which is paused"


def _calls_by_name(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
