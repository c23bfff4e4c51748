"""aiokafka's consumer behind our port: what an upgrade of it may change without a word is shown here."""

import asyncio
import inspect
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaConnectionError,
    RecordTooLargeError,
    StaleMetadata,
    UnsupportedCodecError,
)
from aiokafka.record.memory_records import MemoryRecords
from fetched_batches import Held, batch, checked, rotten

from bridge.kafka.consumer.client import aiokafka_client
from bridge.kafka.consumer.client.aiokafka_client import read_committed
from bridge.kafka.topic_identity import ABSENT

P0, P1 = ("t", 0), ("t", 1)


def _offsets(taken):
    return [row.offset for row in taken.rows]


async def test_one_partition_is_taken_out_alone():
    """What was received of the other stays where it is, and so does the position of its reader."""
    held = Held(P0, P1)
    held.receive(P0, batch(0, [b"a", b"b"]))
    held.receive(P1, batch(0, [b"c"]))
    assert held.client.holds() == [P0, P1]
    taken = held.client.poll(P0, 10)
    assert (_offsets(taken), taken.start, taken.end, taken.error) == ([0, 1], 0, 2, None)
    assert not taken.damaged
    assert held.client.holds() == [P1]
    assert (held.client.position(P0), held.client.position(P1)) == (2, 0)
    assert held.client.poll(P0, 10) is None


async def test_records_have_what_is_read_of_them():
    """Key, value, headers, offset and timestamp, whatever kind of record it is."""
    held = Held(P0)
    held.receive(P0, batch(5, [b"a"], headers=[("h", b"v")]))
    (row,) = held.client.poll(P0, 1).rows
    assert (row.key, row.value, list(row.headers), row.offset) == (b"k", b"a", [("h", b"v")], 5)
    assert row.timestamp == 1_700_000_000_000


async def test_a_part_is_taken_and_the_rest_stays():
    """The bound holds in the middle of a batch, and the next take goes on behind it."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b", b"c"]))
    assert _offsets(held.client.poll(P0, 2)) == [0, 1]
    assert held.client.position(P0) == 2
    assert _offsets(held.client.poll(P0, 2)) == [2]
    assert held.client.holds() == []


@pytest.mark.parametrize(
    ("damage", "error", "damaged"),
    [
        (rotten(batch(2, [b"x", b"y"])), CorruptRecordException, True),
        (
            checked(batch(2, [b"x"], headers=[("ZZZZ", b"v")]).replace(b"ZZZZ", b"\xff\xfe\xfd\xfc")),
            UnicodeDecodeError,
            True,
        ),
    ],
)
async def test_what_was_read_before_a_damaged_place_is_given(damage, error, damaged):
    """The records before it come with the error, the position is that of the place, and reading there again says the same."""
    held = Held(P0)
    for _ in range(2):
        held.seek(held.partitions[0], 0)
        held.receive(P0, batch(0, [b"a", b"b"]), damage)
        taken = held.client.poll(P0, 100)
        assert (_offsets(taken), taken.end, taken.damaged) == ([0, 1], 2, damaged)
        assert isinstance(taken.error, error)
        assert held.client.position(P0) == 2
        assert held.client.holds() == []


@pytest.mark.parametrize("at", [0, 8])
async def test_a_batch_that_the_client_calls_too_large_is_not_passed_over(at):
    """The client moves its position by one when it finds no whole batch; ours is that of the batch."""
    held = Held(P0)
    held.seek(held.partitions[0], at)
    held.fail(P0, RecordTooLargeError("one"))
    state = held.subscriptions.subscription.assignment.state_value(held.partitions[0])
    state.consumed_to(state.position + 1)
    assert held.client.position(P0) == at
    taken = held.client.poll(P0, 10)
    assert (taken.start, taken.end, taken.damaged) == (at, at, True)
    assert isinstance(taken.error, RecordTooLargeError)
    assert held.client.position(P0) == at
    assert held.client.holds() == []


async def test_nothing_is_taken_of_a_paused_partition():
    """Its records were received before it was paused; they are fetched anew later."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))
    held.client.pause(held.partitions[0])
    assert held.client.poll(P0, 10) is None
    assert held.client.position(P0) == 0
    assert held.client.holds() == [], "dropped"
    held.client.resume(P0)
    held.receive(P0, batch(0, [b"a", b"b"]))
    assert _offsets(held.client.poll(P0, 1)) == [0]
    held.client.seek(P0, 0)
    held.receive(P0, batch(0, [b"a", b"b"]))
    assert _offsets(held.client.poll(P0, 10)) == [0, 1]


async def test_what_has_nothing_left_is_dropped():
    """The client would not fetch the partition again while it holds it."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))
    found = held.fetcher._records[held.partitions[0]]
    found.check_assignment = lambda _partition: True
    found._partition_records = None
    assert held.client.poll(P0, 10) is None
    assert held.client.holds() == []


def _at(base, raw):
    """The batch with another offset, which no checksum covers."""
    return base.to_bytes(8, "big", signed=True) + raw[8:]


@pytest.mark.parametrize("base", [-(2**56), -1, 0, 1, 3, 4, 5, 2 + 255])
async def test_a_batch_whose_offset_is_damaged_is_not_passed_over(base):
    """Seemingly read already, or so far on that what follows seems to be: neither is lost, the partition is held there."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b"]), _at(base, batch(2, [b"c", b"d"])), batch(4, [b"e", b"f"]))
    taken = held.client.poll(P0, 10)
    # One that seems to lie before what is in front of it leaves open which of the two is wrong.
    before = [] if base < 2 else [0, 1]
    assert (_offsets(taken), taken.end) == (before, len(before))
    assert isinstance(taken.error, CorruptRecordException)
    assert taken.damaged
    assert held.client.position(P0) == len(before)


async def test_a_last_batch_behind_the_end_of_the_log_is_damaged():
    """Only the watermark tells."""
    held = Held(P0)
    held.subscriptions.subscription.assignment.state_value(held.partitions[0]).highwater = 4
    held.receive(P0, batch(0, [b"a", b"b"]), _at(3, batch(2, [b"c", b"d"])))
    taken = held.client.poll(P0, 10)
    assert (_offsets(taken), taken.damaged) == ([0, 1], True)


@pytest.mark.parametrize("position", [2, 3])
async def test_a_damaged_batch_that_was_passed_does_not_come_back(position):
    """The broker finds it first, whatever is asked for behind it, as it seems to lie further on."""
    held = Held(P0)
    held.client.seek(P0, position)
    held.receive(P0, _at(255, batch(0, [b"a", b"b"])), batch(2, [b"c", b"d"]), batch(4, [b"e"]))
    taken = held.client.poll(P0, 10)
    assert (_offsets(taken), taken.error, list(taken.gaps)) == ([*range(position, 5)], None, [])


async def test_gaps_and_batches_begun_before_are_no_damage():
    """What compaction leaves, a fetch from the midst of a batch, and a first batch further on are read as ever."""
    held = Held(P0)
    state = held.subscriptions.subscription.assignment.state_value(held.partitions[0])
    state.highwater = 20
    held.client.seek(P0, 1)
    held.receive(P0, batch(0, [b"a", b"b"]), batch(7, [b"c"]), batch(19, [b"d"]))
    first = held.client.poll(P0, 1)
    assert (_offsets(first), list(first.gaps)) == ([1], [])
    rest = held.client.poll(P0, 10)
    assert (_offsets(rest), list(rest.gaps)) == ([7, 19], [(2, 7), (8, 19)])
    held.receive(P0, batch(30, [b"e"]))
    assert isinstance(held.client.poll(P0, 10).error, CorruptRecordException)
    state.highwater = 31
    held.receive(P0, batch(30, [b"e"]))
    assert _offsets(held.client.poll(P0, 10)) == [30]


@pytest.mark.parametrize("error", [UnsupportedCodecError("no library"), MemoryError()])
async def test_what_is_no_fault_of_the_data_is_not_called_damage(error):
    """With the codec the batch can be read, so it is tried again; a process without memory ends."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))

    class Broken:
        next_fetch_offset = 0
        _records = MemoryRecords(b"")

        def __iter__(self):
            return self

        def __next__(self):
            raise error

    held.fetcher._records[held.partitions[0]]._partition_records = Broken()
    if isinstance(error, MemoryError):
        with pytest.raises(MemoryError):
            held.client.poll(P0, 10)
    else:
        taken = held.client.poll(P0, 10)
        assert (taken.error, taken.damaged) == (error, False)


async def test_a_fetcher_that_has_ended_without_an_error_says_so_too():
    """Nothing would ever come again."""
    held = Held(P0)
    held.fetcher._fetch_task.set_result(None)
    with pytest.raises(RuntimeError, match="fetcher has ended"):
        held.client.holds()


async def test_topics_are_known_by_their_partitions():
    """None while there are none; and brokers are asked for them on request."""
    held, looked = Held(P0), []
    held.consumer.partitions_for_topic = {"t": {0, 1, 2}, "none": set()}.get
    held.consumer._client = SimpleNamespace(force_metadata_update=lambda: looked.append(1))
    assert [held.client.topic_partitions(topic) for topic in ("t", "none", "unknown")] == [3, None, None]
    held.client.refresh()
    assert looked == [1]


async def test_between_two_assignments_nothing_is_held():
    """What was received may be another member's by then."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))
    type(held.subscriptions).reassignment_in_progress, before = (
        property(lambda _self: True),
        type(held.subscriptions).reassignment_in_progress,
    )
    try:
        assert not held.client.holds()
    finally:
        type(held.subscriptions).reassignment_in_progress = before
    assert held.client.holds() == [P0]


async def test_a_client_that_fetches_no_more_says_so():
    """Closed, or its own fetching task has ended: nothing would ever come, and nobody would be told."""
    held = Held(P0)
    held.fetcher._fetch_task.set_exception(ValueError("broke"))
    with pytest.raises(ValueError, match="broke"):
        held.client.holds()
    held.fetcher._closed = True
    with pytest.raises(ConsumerStoppedError):
        held.client.holds()


async def test_an_arrival_ends_the_wait_and_an_error_of_the_coordinator_is_raised():
    """Records of any partition end it; what the group's coordinator cannot go on with comes out of it."""
    held = Held(P0)
    waiting = asyncio.create_task(held.client.arrival(5))
    await asyncio.sleep(0)
    held.receive(P0, batch(0, [b"a"]))
    await asyncio.wait_for(waiting, 0.5)
    waiting = asyncio.create_task(held.client.arrival(5))
    await asyncio.sleep(0)
    held.subscriptions.register_fetch_waiters(held.fetcher._fetch_waiters)
    held.subscriptions.abort_waiters(CorruptRecordException("stands for any"))
    with pytest.raises(CorruptRecordException):
        await asyncio.wait_for(waiting, 0.5)
    await asyncio.sleep(0)
    assert not held.fetcher._fetch_waiters


async def test_the_client_fetches_on_as_soon_as_a_partition_is_read_to_its_end():
    """Its fetching task waits for that, and would look only now and then otherwise."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b"]))
    told = held.fetcher._wait_consume_future = asyncio.get_running_loop().create_future()
    held.client.poll(P0, 1)
    assert not told.done(), "there is more"
    held.client.poll(P0, 2)
    assert told.done()


async def test_nothing_is_known_of_a_partition_that_is_not_assigned():
    """Nor of one whose position is being asked for."""
    held = Held(P0)
    assert held.client.position(P1) is None
    held.subscriptions.subscription.assignment.state_value(held.partitions[0]).await_reset(-2)
    assert held.client.position(P0) is None


async def test_brokers_keep_a_fetch_briefly_or_as_configured():
    """And never for longer than configured."""
    held = Held(P0)
    kept = []
    for patient in (False, True):
        held.client.be_patient(patient=patient)
        kept.append(held.fetcher._fetch_max_wait_ms)
    assert kept == [50, 1_500]
    assert held.client.reads_committed


async def test_records_of_an_aborted_transaction_are_accounted_for_without_being_given():
    """The client passes over them, and so does its position."""
    held = Held(P0)
    made = bytearray(batch(0, [b"a", b"b"]))
    made[22] |= 0x10
    made[43:51] = (77).to_bytes(8, "big")
    held.receive(P0, checked(bytes(made)), batch(2, [b"c"]), aborted=[(77, 0)])
    taken = held.client.poll(P0, 10)
    assert (_offsets(taken), taken.start, taken.end) == ([2], 0, 3)


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
        assert (request._max_wait_ms, request._min_bytes, request._max_bytes) == (500, 1, 1_000)
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


async def test_a_wait_without_an_arrival_ends_in_time_and_leaves_nobody_waiting():
    """The client keeps whom to wake in a list, which would grow with each fetch of a quiet topic."""
    held = Held(P0)
    await asyncio.wait_for(held.client.arrival(0.01), 0.5)
    await asyncio.sleep(0)
    assert not held.fetcher._fetch_waiters


async def test_an_error_at_a_position_that_is_not_known_is_tried_from_the_beginning():
    """The client looks for it by itself where nothing is there any more."""
    held = Held(P0)
    held.fail(P0, RecordTooLargeError("one"))
    held.subscriptions.subscription.assignment.state_value(held.partitions[0]).await_reset(-2)
    taken = held.client.poll(P0, 10)
    assert (taken.start, taken.end) == (0, 0)
    assert held.client.position(P0) == 0
