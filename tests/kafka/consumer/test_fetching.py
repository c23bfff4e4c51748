"""Fetching, above a client whose logs a test holds in its hands: nothing is passed over, and nothing of one partition costs another."""

import asyncio

import pytest
from aiokafka.errors import CorruptRecordException, OffsetMetadataTooLargeError
from fetching_scene import made_fetching, offsets_in
from virtual_time import in_virtual_time

from bridge.kafka.consumer.client.fetching import SkippedError
from bridge.kafka.consumer.client.kafka_client import PolledRecords

P0, P1 = ("t", 0), ("t", 1)


async def test_every_offset_is_accounted_for():
    """Markers behind records, and takes that end in the middle of what has come: each begins where the one before ended."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(3, gap=2)
    first = (await fetching.fetch({P0}, 0.01, 2)).records[P0]
    second = (await fetching.fetch({P0}, 0.01, 2)).records[P0]
    assert (first.start, first.end, second.start, second.end) == (0, 2, 2, 5)
    client.logs[P0].append(0, gap=1)
    only_a_marker = (await fetching.fetch({P0}, 0.01, 2)).records[P0]
    assert (only_a_marker.rows, only_a_marker.start, only_a_marker.end) == ([], 5, 6)


async def test_at_most_what_there_is_room_for_is_taken_over_all_partitions():
    """The bound is one for all, and what is beyond it stays in the client."""
    client, fetching, _ = made_fetching(P0, P1)
    for log in client.logs.values():
        log.append(5)
    fetch = await fetching.fetch({P0, P1}, 0.01, 7)
    assert sum(len(taken.rows) for taken in fetch.records.values()) == 7
    assert not client.patient, "there is more"


async def test_a_client_that_passes_over_records_ends_the_worker():
    """They are still there, so nothing behind them may be read: an error, not another try."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(5)
    await fetching.fetch({P0}, 0.01, 2)
    client.logs[P0].position = 4
    with pytest.raises(SkippedError, match="reads on at 4, and 2 is still there"):
        await fetching.fetch({P0}, 0.01, 10)


@pytest.mark.parametrize(
    ("raised", "seen"), [(AttributeError("another version"), AttributeError), (CorruptRecordException(), SkippedError)]
)
async def test_an_error_of_the_client_while_it_gives_records_is_none_that_passes(raised, seen):
    """It may have moved positions: whatever it is, nobody may take it for one after which to try again."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(1)

    def broken(_partition, _most):
        raise raised

    client.poll = broken
    with pytest.raises(seen):
        await fetching.fetch({P0}, 0.01, 10)


@pytest.mark.parametrize("number", [0, 2])
async def test_offsets_of_another_assignment_are_not_stored(number):
    """The group has given the partitions to others meanwhile, or has numbered them anew."""
    client, fetching, _ = made_fetching(P0)
    asked, identity = [], client.topic_identity
    client.topic_identity = lambda topic: asked.append(topic) or identity(topic)
    assert not await fetching.store(number, {P0: 5}, {})
    assert (client.commits, asked) == ([], []), "nor is a broker asked for them"
    assert await fetching.store(1, {P0: 5}, {})
    assert client.commits == [{P0: 5}]


async def test_a_commit_that_fails_is_no_commit():
    """False, and no error: it is offered again."""
    client, fetching, _ = made_fetching(P0)
    client.fail_commits = True
    assert not await fetching.store(1, {P0: 5}, {})


async def test_a_rebalance_while_the_client_is_asked_forgets_what_was_known():
    """The committed offsets that come after it belong to the assignment before."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(5)
    fetching_task = asyncio.create_task(fetching.fetch({P0}, 0.0, 10))
    await asyncio.sleep(0)
    client.stored[P0] = 3
    client.assign()
    fetching.assigned()
    fetch = await fetching_task
    assert (fetch.number, offsets_in(fetch, P0), fetch.records[P0].start) == (2, [3, 4], 3)


async def test_what_there_is_no_room_for_is_not_taken_out():
    """It would have no place to go."""
    client, fetching, _ = made_fetching(P0, P1)
    for log in client.logs.values():
        log.append(5)
    asked, poll = [], client.poll
    client.poll = lambda partition, most: asked.append((partition, most)) or poll(partition, most)
    assert set((await fetching.fetch({P0, P1}, 0.0, 5)).records) == {P0}
    assert asked == [(P0, 5)]


async def test_a_partition_whose_broker_gives_nothing_is_told():
    """Records lie behind the position, and none come for half a minute: the client itself says nothing of that."""
    client, fetching, clock = made_fetching(P0)
    client.logs[P0].append(5)
    client.logs[P0].received = False
    for second in range(30):
        clock.now = float(second)
        assert not (await fetching.survey([P0])).unreadable
    clock.now = 31.0

    async def refused(_partition, _offset):
        raise CorruptRecordException

    client.raw = refused
    place = (await fetching.survey([P0])).unreadable[P0]
    assert (place.offset, place.why) == (0, "CorruptRecordException")
    client.logs[P0].received = True
    # Until then it rests, as the client would ask without a pause.
    clock.now = 58.9
    assert not (await fetching.fetch({P0}, 0.0, 10)).records
    clock.now = 59.0
    assert (await fetching.fetch({P0}, 0.0, 10)).records
    assert not (await fetching.survey([P0])).unreadable


async def test_each_fetch_says_that_the_consumer_lives():
    """And so it does while nothing is fetched, or the client would leave the group."""
    client, fetching, _ = made_fetching(P0)
    await fetching.fetch({P0}, 0.0, 10)
    assert client.touched == 1
    await fetching.touch()
    assert client.touched == 2


async def test_the_committed_offsets_are_asked_once_an_assignment():
    """A question a fetch would cost a round trip each."""
    client, fetching, _ = made_fetching(P0)
    asked = []
    committed, first_offsets = client.committed, client.first_offsets

    async def counted(partitions):
        asked.append(("committed", *partitions))
        return await committed(partitions)

    async def firsts(partitions):
        asked.append(("first", *partitions))
        return await first_offsets(partitions)

    client.committed, client.first_offsets = counted, firsts
    for _ in range(3):
        client.logs[P0].append(1)
        assert len((await fetching.fetch({P0}, 0.01, 10)).records[P0].rows) == 1
    assert asked == [("committed", P0)]


async def test_a_client_may_have_dropped_what_it_seemed_to_hold():
    """Nothing is taken then, and nothing is wrong."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(1)
    poll, client.poll = client.poll, lambda _partition, _most: None
    assert not (await fetching.fetch({P0}, 0.0, 10)).records
    client.poll = poll
    assert offsets_in(await fetching.fetch({P0}, 0.0, 10), P0) == [0]


async def test_records_from_another_place_than_the_client_says_end_the_worker():
    """Its position and its records disagree: nobody knows what was passed over."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(3)
    client.poll = lambda _partition, _most: PolledRecords([], 1, 3)
    with pytest.raises(SkippedError, match="0 was asked for and 1 came"):
        await fetching.fetch({P0}, 0.0, 10)


@in_virtual_time
async def test_the_wait_is_short_only_while_records_of_others_are_here():
    """They may be admitted at any moment; with nothing at all there is no hurry, and an arrival ends it either way."""
    client, fetching, _ = made_fetching(P0, P1)
    loop = asyncio.get_running_loop()
    client.logs[P1].append(1)
    began = loop.time()
    await fetching.fetch({P0}, 5.0, 10)
    assert 0.01 < loop.time() - began < 0.1
    assert not client.patient
    client.logs[P1].received = False
    waiting = asyncio.create_task(fetching.fetch({P0}, 5.0, 10))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    client.logs[P0].append(1)
    client.receive()
    received = loop.time()
    assert offsets_in(await waiting, P0) == [0]
    assert loop.time() == received
    assert not client.patient
    await fetching.fetch({P0}, 0.0, 10)
    assert client.patient


@pytest.mark.parametrize("member", [True, False])
async def test_an_assignment_stands_when_the_group_says_so(member):
    """Asked before what only its owner may write; the number is looked at before and after the question."""
    client, fetching, _ = made_fetching(P0)
    client.member = member
    number = fetching.number
    assert await fetching.is_member(number) is member
    assert await fetching.is_member(number + 1) is False
    asking = asyncio.create_task(fetching.is_member(number))
    await asyncio.sleep(0)
    fetching.assigned()
    assert await asking is False


@pytest.mark.parametrize("overtaken", [False, True])
async def test_notes_of_an_assignment_that_is_over_are_not_known(overtaken):
    """Counted on from them, events of another owner's time would be counted twice."""
    client, fetching, _ = made_fetching(P0)
    client.stored, client.notes = {P0: 3}, {P0: "counts"}
    asking = asyncio.create_task(fetching.noted(fetching.number, [P0]))
    await asyncio.sleep(0)
    if overtaken:
        fetching.assigned()
    assert await asking == (None if overtaken else {P0: (3, "counts")})


async def test_notes_that_are_too_long_cost_no_offset():
    """Brokers may take shorter ones: the offsets are stored without, else all of it would come again."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(3)
    await fetching.fetch({P0}, 0.01, 10)
    stored = client.commit

    async def commit(offsets, notes):
        if notes:
            raise OffsetMetadataTooLargeError
        await stored(offsets, notes)

    client.commit = commit
    assert await fetching.store(fetching.number, {P0: 3}, {P0: "counts"})
    assert client.stored[P0] == 3


async def test_offsets_of_nothing_that_is_there_are_settled_without_a_commit():
    """They are of a log that is gone: a commit of none, which may fail, would have them offered for ever."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(3)
    await fetching.fetch({P0}, 0.01, 10)
    client.fail_commits, before = True, len(client.commits)
    assert await fetching.store(fetching.number, {P0: 9}, {})
    assert len(client.commits) == before
