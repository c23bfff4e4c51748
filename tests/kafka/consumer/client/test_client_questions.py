"""What is asked of brokers through aiokafka's consumer, of which of them, and what stands for an answer?"""

import inspect
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import CorruptRecordException, KafkaConnectionError, StaleMetadata
from fetched_batches import P0, P1, Held

from bridge.kafka.consumer.client import aiokafka_client
from bridge.kafka.consumer.client.aiokafka_client import read_committed
from bridge.kafka.topic_identity import ABSENT


async def test_topics_are_known_by_their_partitions():
    """None while there are none; and brokers are asked for them on request."""
    held, looked = Held(P0), []
    held.consumer.partitions_for_topic = {"t": {0, 1, 2}, "none": set()}.get
    held.consumer._client = SimpleNamespace(force_metadata_update=lambda: looked.append(1))
    assert [held.client.topic_partitions(topic) for topic in ("t", "none", "unknown")] == [3, None, None]
    held.client.refresh()
    assert looked == [1]


async def test_what_is_asked_of_the_brokers_is_given_by_partition():
    """First offsets, ends and committed ones in three questions; what is not committed is None."""
    held = Held(P0, P1)
    asked = []

    async def beginning_offsets(partitions):
        asked.append("first")
        return dict.fromkeys(partitions, 1)

    async def end_offsets(partitions):
        asked.append("end")
        return dict.fromkeys(partitions, 9)

    async def fetch_committed_offsets(_partitions):
        asked.append("committed")
        return {held.partitions[1]: SimpleNamespace(offset=4, metadata="counts")}

    async def commit(offsets):
        asked.append({tuple(partition): tuple(found) for partition, found in offsets.items()})

    held.consumer.beginning_offsets, held.consumer.end_offsets = beginning_offsets, end_offsets
    held.consumer._coordinator = SimpleNamespace(fetch_committed_offsets=fetch_committed_offsets)
    held.consumer.commit = commit
    held.subscriptions.subscription.assignment.state_value(held.partitions[0]).highwater = 12
    assert await held.client.offsets([P0, P1]) == {P0: (1, None, 9, 0, 12, None), P1: (1, 4, 9, 0, None, None)}
    assert await held.client.noted([P0, P1]) == {P0: None, P1: (4, "counts")}
    await held.client.commit({P0: 3, P1: 4}, {P1: "more"})
    assert asked == ["first", "end", "committed", "committed", {P0: (3, ""), P1: (4, "more")}]


@pytest.mark.parametrize(("code", "leader"), [(0, 0), (0, 1), (2, 1), (0, None), (0, -1)])
async def test_raw_batches_are_asked_of_the_leader(code, leader):
    """Whole, as the broker has them; its error is raised, and without a leader there is nobody to ask."""
    held = Held(P0)
    sent = []

    async def send(node, request):
        sent.append((node, request._topics, request._isolation_level))
        assert (request._max_wait_ms, request._min_bytes, request._max_bytes) == (0, 1, 1_000)
        return SimpleNamespace(topics=[("t", [(0, code, 9, 9, [], b"raw")])])

    cluster = SimpleNamespace(leader_for_partition={held.partitions[0]: leader}.get)
    held.consumer._client = SimpleNamespace(cluster=cluster, send=send)
    held.fetcher._max_partition_fetch_bytes = 1_000
    if code or leader in {None, -1}:
        with pytest.raises(CorruptRecordException if code else StaleMetadata):
            await held.client.raw(P0, 5)
    else:
        assert await held.client.raw(P0, 5) == b"raw"
    assert sent == ([(leader, [("t", [(0, 5, 1_000)])], 1)] if leader in {0, 1} else [])


def test_the_installed_client_has_what_is_used_of_it_beside_its_fetcher():
    """Names that a simple start of it needs; the fetcher's own are used by the tests above."""
    source = inspect.getsource(AIOKafkaConsumer.start)
    assert "isolation_level=self._isolation_level" in source
    assert "self._fetcher = Fetcher(" in source
    assert "self._coordinator = GroupCoordinator(" in source
    assert list(inspect.signature(GroupCoordinator.fetch_committed_offsets).parameters) == ["self", "partitions"]
    assert {"send", "force_metadata_update", "cluster"} <= set(dir(AIOKafkaClient)) | {"cluster"}
    given = SimpleNamespace(_isolation_level="read_uncommitted")
    read_committed(given)
    assert given._isolation_level == "read_committed"


@pytest.mark.parametrize(("answer", "member"), [(True, True), (False, False), (KafkaConnectionError("gone"), False)])
async def test_whoever_is_not_confirmed_by_the_group_is_no_member(answer, member):
    """A coordinator that does not answer confirms nothing: what is done for an assignment that is over is done twice."""
    held = Held(P0)

    async def beat():
        if isinstance(answer, Exception):
            raise answer
        return answer

    held.consumer._coordinator = SimpleNamespace(_do_heartbeat=beat)
    assert await held.client.beat() is member


@pytest.mark.parametrize(
    ("leaders", "random", "asked"),
    [
        ([3, 4], 9, 3),
        ([0, 4], 9, 0),
        ([None, -1, 4], 9, 4),
        ([None, -1], 9, 9),
        ([None], 0, 0),
        ([], 9, 9),
        ([None], None, None),
    ],
)
async def test_a_leader_is_asked_which_topic_it_is(monkeypatch, leaders, random, asked):
    """Any broker where no leader is known, and nobody where none is: then nothing is told of the topic, least of all that it is gone."""
    held, nodes = Held(P0), []

    async def topic_identity(_client, node, topic):
        nodes.append((node, topic))
        return b"first"

    monkeypatch.setattr(aiokafka_client, "topic_identity", topic_identity)
    held.consumer.partitions_for_topic = lambda topic: list(range(len(leaders))) if topic == "t" else None
    held.consumer._client = SimpleNamespace(
        cluster=SimpleNamespace(leader_for_partition=lambda tp: leaders[tp.partition] if tp.topic == "t" else 77),
        get_random_node=lambda: random,
    )
    assert await held.client.topic_identity("t") == (None if asked is None else b"first")
    assert nodes == ([] if asked is None else [(asked, "t")])


@pytest.mark.parametrize(
    ("identity", "partitions", "told"),
    [
        (b"first", {0}, b"first"),
        (b"first", None, b"first"),
        (ABSENT, {0}, None),
        (ABSENT, None, ABSENT),
        (None, {0}, None),
        (None, None, ABSENT),
    ],
)
async def test_a_topic_is_gone_when_nobody_knows_of_it(monkeypatch, identity, partitions, told):
    """One broker alone may not know of it yet: told as gone, all that waits in it would be counted as lost."""
    held = Held(P0)

    async def topic_identity(_client, _node, _topic):
        return identity

    monkeypatch.setattr(aiokafka_client, "topic_identity", topic_identity)
    held.consumer.partitions_for_topic = lambda _topic: partitions
    held.consumer._client = SimpleNamespace(
        cluster=SimpleNamespace(leader_for_partition=lambda _tp: 1), get_random_node=lambda: 1
    )
    assert await held.client.topic_identity("t") == told


async def test_an_answer_without_records_is_empty():
    """The broker has the partition and nothing at the place: no bytes, and no error."""
    held = Held(P0)

    async def send(_node, _request):
        return SimpleNamespace(topics=[("t", [(0, 0, 9, 9, [], None)])])

    held.consumer._client = SimpleNamespace(
        cluster=SimpleNamespace(leader_for_partition={held.partitions[0]: 1}.get), send=send
    )
    held.fetcher._max_partition_fetch_bytes = 1_000
    assert await held.client.raw(P0, 5) == b""
