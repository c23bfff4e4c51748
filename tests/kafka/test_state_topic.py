"""The bridge's small state in Kafka: found or made, read whole, written, and never waited for beyond its bound."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition, errors
from fetched_batches import Held, batch, rotten

from bridge.kafka import state_topic
from bridge.kafka.state_topic import STATE_CONFIG, StateTopic, stored_state
from bridge.kafka.topics import LeaderMissing, TopicMissing
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.testing.virtual_loop import VirtualLoop

A_LONG_TIME = 1_000.0


class _Brokers:
    """Topics in memory, as admin client, consumer and publisher see them; a test may let any call hang or fail."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = partitions
        self.made: list[Any] = []
        self.code = 0
        self.leader_after = self.silent = 0.0
        self.leaderless: set[str] = set()
        self.log: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
        self.deleted: dict[int, int] = {}
        self.published: list[tuple[Any, str]] = []
        self.refusals: list[Exception] = []
        self.hangs = ""
        self.fails: Exception | None = None
        self.options: dict[str, Any] = {}
        self.stopped = 0
        self.polled: list[set[int]] = []
        self.stored: bytes | None = None
        """Of the first partition, in the place of its log: what the client's own parser reads."""

    async def at(self, call: str) -> None:
        """The call arrives."""
        if call == self.hangs:
            await asyncio.sleep(A_LONG_TIME)

    async def ensure_topics(self, _kafka: Any, *, create: bool, topics: tuple[str, ...]) -> dict[str, int]:
        """Partitions of the topics; nothing is created."""
        assert not create
        await self.at("ensure")
        (name,) = topics
        if name in self.leaderless:
            raise LeaderMissing("no leader for partition 0")
        if name not in self.partitions:
            raise TopicMissing("no such topic")
        return {name: self.partitions[name]}

    async def create_topics(self, topics: list[Any]) -> Any:
        """As the admin client's."""
        self.made += topics
        await asyncio.sleep(0.01)
        if self.code in (0, 36):
            there = {topic.name: topic.num_partitions for topic in topics}
            self.partitions |= there
            self.leaderless |= there.keys()
            asyncio.get_running_loop().call_later(self.leader_after, self.leaderless.difference_update, there)
        return SimpleNamespace(topic_errors=[(topic.name, self.code, "") for topic in topics])

    async def publish(self, records: Any, *, topic: str) -> None:
        """As the publisher's."""
        await self.at("publish")
        if self.refusals:
            raise self.refusals.pop(0)
        self.published.append((list(records), topic))

    def consumer(self, **options: Any) -> _Consumer:
        """A consumer of these brokers."""
        self.options = options
        return _Consumer(self)


class _Consumer:
    """Gives one record of a partition a poll."""

    def __init__(self, brokers: _Brokers) -> None:
        self._brokers = brokers
        self._at: dict[int, int] = {}

    async def start(self) -> None:
        await self._brokers.at("start")
        if self._brokers.fails is not None:
            raise self._brokers.fails

    async def stop(self) -> None:
        await self._brokers.at("stop")
        self._brokers.stopped += 1

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._at = {partition.partition: self._brokers.deleted.get(partition.partition, 0) for partition in partitions}

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self._brokers.deleted.get(each.partition, 0) for each in partitions}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: len(self._brokers.log.get(each.partition, ())) for each in partitions}

    async def position(self, partition: TopicPartition) -> int:
        return self._at[partition.partition]

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(max(0.001, timeout_ms / 1_000))
        self._brokers.polled.append({each.partition for each in partitions})
        if self._brokers.stored is not None:
            held = Held(*partitions)
            self._fetcher = held.fetcher
            held.receive(partitions[0], self._brokers.stored)
            return await held.fetcher.fetched_records(list(partitions), timeout_ms / 1_000, None)
        given = {}
        if asyncio.get_running_loop().time() < 1_000 + self._brokers.silent:
            return given
        for each in partitions:
            key, value = self._brokers.log[each.partition][self._at[each.partition]]
            self._at[each.partition] += 1
            given[each] = [SimpleNamespace(key=key, value=value)]
        return given


@pytest.fixture
def use(monkeypatch):
    """Run something with a state topic on these brokers in virtual time; gives its result, and the seconds it took."""

    def run(brokers: _Brokers, work: Any, **settings: Any) -> tuple[Any, float]:
        @asynccontextmanager
        async def admin(_kafka: Any) -> Any:
            yield brokers

        monkeypatch.setattr(state_topic, "admin", admin)
        monkeypatch.setattr(state_topic, "ensure_topics", brokers.ensure_topics)
        monkeypatch.setattr(state_topic, "AIOKafkaConsumer", brokers.consumer)
        kafka = KafkaSettings(state_topic="state", **settings)

        async def main() -> tuple[Any, float]:
            clock = asyncio.get_running_loop().time
            began = clock()
            try:
                return await work(StateTopic(kafka, brokers)), clock() - began
            except KafkaError as error:
                return error, clock() - began

        loop = VirtualLoop()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    return run


async def _opened(topic: StateTopic) -> StateTopic:
    await topic.open()
    return topic


async def _read(topic: StateTopic) -> Any:
    await topic.open()
    return await topic.read()


def test_a_topic_that_is_there_is_written_to_once(use):
    """Whether it can be written is known at the start; nothing is made."""
    brokers = _Brokers(state=1)
    found, seconds = use(brokers, _opened)
    assert isinstance(found, StateTopic)
    assert brokers.published == [([(b"format", b'{"version":1}', ())], "state")]
    assert (brokers.made, seconds) == ([], 0.0)


@pytest.mark.parametrize("code", [0, 36])
def test_a_missing_topic_is_made_where_topics_are_made(use, code):
    """One compacted partition; somebody else who makes it at the same time is no error."""
    brokers = _Brokers()
    brokers.code = code
    found, _ = use(brokers, _opened, create_topics=True, replication_factor=3)
    assert isinstance(found, StateTopic)
    (made,) = brokers.made
    assert (made.name, made.num_partitions, made.replication_factor) == ("state", 1, 3)
    assert made.topic_configs == STATE_CONFIG
    assert STATE_CONFIG["cleanup.policy"] == "compact"


def test_a_topic_that_was_made_is_waited_for(use):
    """Its leader is chosen a moment later; the brokers are not asked without a pause."""
    brokers = _Brokers()
    brokers.leader_after = 0.5
    found, seconds = use(brokers, _opened, create_topics=True)
    assert isinstance(found, StateTopic)
    assert 0.5 <= seconds < 1
    assert len(brokers.made) == 1


@pytest.mark.parametrize("create_topics", [False, True])
def test_a_topic_whose_brokers_are_away_is_told_at_once(use, create_topics):
    """The worker begins without it; nothing is made in its place."""
    brokers = _Brokers(state=1)
    brokers.leaderless = {"state"}
    error, seconds = use(brokers, _opened, create_topics=create_topics)
    assert isinstance(error, LeaderMissing)
    assert (brokers.made, seconds) == ([], 0.0)


def test_a_topic_that_cannot_be_made_is_told(use):
    """By the name of what the brokers answer."""
    brokers = _Brokers()
    brokers.code = errors.PolicyViolationError.errno
    error, _ = use(brokers, _opened, create_topics=True)
    assert str(error) == "the topic state cannot be created: PolicyViolationError"


def test_a_missing_topic_is_told_with_the_command_where_topics_are_not_made(use):
    """Compacted, one partition, the replication of the settings."""
    error, seconds = use(_Brokers(), _opened, create_topics=False, replication_factor=3)
    assert str(error) == "no such topic: state"
    assert "--create --topic state --partitions 1 --replication-factor 3 --config cleanup.policy=compact" in error.hint
    assert seconds == 0.0


def test_a_producer_that_does_not_know_the_topic_yet_is_waited_for(use):
    """For a moment; another failure is told at once."""
    brokers = _Brokers(state=1)
    brokers.refusals = [KafkaError("no such topic: state")] * 3
    found, seconds = use(brokers, _opened)
    assert isinstance(found, StateTopic)
    assert 0.3 < seconds < 1
    brokers.refusals = [KafkaError("Kafka has not confirmed")]
    error, seconds = use(brokers, _opened)
    assert (str(error), seconds) == ("Kafka has not confirmed", 0.0)


def test_the_newest_value_of_each_key_is_read(use):
    """Of all partitions, from the first offset that is left on; no group, nothing committed; no partition is polled in vain."""
    brokers = _Brokers(state=4)
    brokers.log = {
        0: [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")],
        1: [(b"c", b"4"), (None, b"x"), (b"d", None)],
        2: [(b"gone", b"5"), (b"gone", b"6")],
    }
    brokers.deleted = {2: 2}
    found, _ = use(brokers, _read)
    assert found == {b"a": b"3", b"b": b"2", b"c": b"4", b"d": b""}
    assert brokers.options["group_id"] is None
    assert brokers.options["enable_auto_commit"] is False
    assert brokers.options["auto_offset_reset"] == "earliest"
    assert brokers.polled == [{0, 1}] * 3
    assert brokers.stopped == 1


def test_brokers_that_are_slow_are_not_asked_without_a_pause(use):
    """What is not there yet is waited for at the brokers."""
    brokers = _Brokers(state=1)
    brokers.log = {0: [(b"a", b"1")]}
    brokers.silent = 2.0
    found, seconds = use(brokers, _read)
    assert found == {b"a": b"1"}
    assert 2.0 <= seconds <= 3.0
    assert len(brokers.polled) <= 20


def test_an_empty_topic_is_read_without_a_poll(use):
    """Nothing was ever written there, or all of it is gone."""
    brokers = _Brokers(state=1)
    assert use(brokers, _read) == ({}, 0.0)


def test_a_topic_that_was_not_found_is_not_read(use):
    """The memory is off; that is told in place of a consumer that waits for a topic."""

    async def read(topic: StateTopic) -> Any:
        return await topic.read()

    error, _ = use(_Brokers(), read)
    assert str(error) == "no such topic: state"


def test_a_topic_that_has_come_since_the_start_is_read(use):
    """It could not be used when the worker began, and was made since: who reads it next has it."""
    brokers = _Brokers()

    async def read(topic: StateTopic) -> Any:
        with pytest.raises(KafkaError):
            await topic.open()
        brokers.partitions["state"] = 1
        brokers.log = {0: [(b"a", b"1")]}
        return await topic.read()

    assert use(brokers, read)[0] == {b"a": b"1"}


@pytest.mark.parametrize("failure", [errors.KafkaConnectionError("gone"), ConnectionResetError("gone")])
def test_brokers_that_fail_while_it_is_read_are_told(use, failure):
    """As an error of Kafka's, and the consumer is closed."""
    brokers = _Brokers(state=1)
    brokers.fails = failure
    error, _ = use(brokers, _read)
    assert isinstance(error, KafkaError)
    assert "gone" in str(error)
    assert brokers.stopped == 1


def test_what_cannot_be_read_is_told_with_its_place(use):
    """Topic, partition and offset of the damaged batch: whoever mends it has to find it."""
    brokers = _Brokers(state=1)
    brokers.log = {0: [(b"k", b"v")]}
    brokers.stored = rotten(batch(0, [b"v"]))
    error, _ = use(brokers, _read)
    assert str(error) == "state[0] cannot be read at offset 0: CorruptRecordException"
    assert brokers.stopped == 1


def test_writing_stores_all_values_together(use):
    """One call for all of them, to the state topic."""

    async def write(topic: StateTopic) -> None:
        await topic.write({b"a": b"1", b"b": b"2"})

    brokers = _Brokers(state=1)
    use(brokers, write)
    assert brokers.published == [([(b"a", b"1", ()), (b"b", b"2", ())], "state")]


@pytest.mark.parametrize(
    ("hangs", "told", "least", "most"),
    [
        ("ensure", "the state topic cannot be used in time (5 s)", 5.0, 5.0),
        ("publish", "the state topic cannot be used in time (5 s)", 5.0, 5.0),
        ("start", "the state topic cannot be read in time (5 s)", 5.0, 6.0),
        ("stop", "", 1.0, 1.0),
    ],
)
def test_nothing_waits_for_it_for_long(use, hangs, told, least, most):
    """Whatever hangs, the worker begins within seconds; what was read is used though the consumer does not close."""
    brokers = _Brokers(state=1)
    brokers.hangs = hangs
    found, seconds = use(brokers, _read)
    assert (str(found) if told else found) == (told or {})
    assert least <= seconds <= most


def test_writing_ends_in_time(use):
    """Brokers that do not confirm are told after the bound."""

    async def write(topic: StateTopic) -> None:
        await topic.write({b"a": b"1"})

    brokers = _Brokers(state=1)
    brokers.hangs = "publish"
    error, seconds = use(brokers, write)
    assert (str(error), seconds) == ("the state topic cannot be written in time (5 s)", 5.0)


def test_who_only_reads_makes_no_topic_and_writes_nothing(use):
    """A command that looks at what was stored may run with rights to read alone; where nothing was ever stored it finds nothing."""

    async def stored(_topic: StateTopic) -> Any:
        return await stored_state(KafkaSettings(state_topic="state"))

    brokers = _Brokers(state=2)
    brokers.log = {0: [(b"a", b"1")], 1: [(b"b", b"2")]}
    assert use(brokers, stored)[0] == {b"a": b"1", b"b": b"2"}
    missing = _Brokers()
    assert use(missing, stored)[0] == {}
    assert (brokers.published, brokers.made, missing.published, missing.made) == ([], [], [], [])

    async def writes(_topic: StateTopic) -> Any:
        reader = state_topic._Reader()
        assert reader.limit("state") == 0
        return await reader.publish([], topic="state")

    assert str(use(brokers, writes)[0]) == "the topic state is only read here"
