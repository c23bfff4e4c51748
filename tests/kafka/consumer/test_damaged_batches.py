"""Damaged batches: what can be read of them is, the rest is set aside after a few tries, and the neighbours come as records."""

import struct
from dataclasses import replace

import pytest
from aiokafka.errors import CorruptRecordException
from deleted_topics import make_again
from fetched_batches import batch, checked
from fetching_scene import made_fetching, offsets_in
from structlog.testing import capture_logs

from bridge.kafka.consumer.client.kafka_client import PolledRecords

P0, P1 = ("t", 0), ("t", 1)


async def test_a_damaged_partition_costs_the_other_nothing():
    """The other's records come, the damaged one's position stays, and it is read again at a slow pace until it is mended."""
    client, fetching, clock = made_fetching(P0, P1)
    for log in client.logs.values():
        log.append(5)
    client.logs[P1].damaged[2] = CorruptRecordException("payload")
    fetch = await fetching.fetch({P0, P1}, 0.01, 100)
    assert offsets_in(fetch, P0) == [0, 1, 2, 3, 4]
    assert offsets_in(fetch, P1) == [0, 1], "what lies before it"
    place = fetch.unreadable[P1]
    assert (place.offset, place.why, place.tries) == (2, "CorruptRecordException", 1)
    assert client.logs[P1].paused
    tries = []
    for second in range(1, 121):
        clock.now = float(second)
        tries.append((await fetching.fetch({P0, P1}, 0.0, 100)).unreadable[P1].tries)
    assert tries[0] == 2
    assert 5 < tries[-1] < 10, "never faster than every half minute in the end"
    client.logs[P1].damaged.clear()
    clock.now += 31
    fetch = await fetching.fetch({P0, P1}, 0.01, 100)
    assert offsets_in(fetch, P1) == [2, 3, 4]
    assert fetch.records[P1].start == 2
    assert not fetch.unreadable


async def test_a_held_partition_is_tried_only_when_it_is_admitted():
    """Records of a partition that nobody asks for would have no place to go."""
    client, fetching, clock = made_fetching(P0)
    client.logs[P0].append(1)
    client.logs[P0].damaged[0] = CorruptRecordException()
    await fetching.fetch({P0}, 0.0, 10)
    clock.now = 100.0
    await fetching.fetch({P1}, 0.0, 10)
    assert client.logs[P0].paused


@pytest.mark.parametrize(
    ("bad", "pieces"),
    [
        (0, [(0, 1, [0]), (1, 3, [1, 2])]),
        (1, [(0, 1, [0]), (1, 2, [1]), (2, 3, [2])]),
        (2, [(0, 2, [0, 1]), (2, 3, [2])]),
    ],
)
async def test_of_a_sound_batch_only_the_bad_record_is_set_aside(bad, pieces):
    """After three tries, with its place and bytes; its neighbours come as records, and reading goes on behind the batch."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    log = client.logs[P0]
    log.append(3)
    log.damaged[0] = UnicodeDecodeError("utf-8", b"x", 0, 1, "bad")
    client.raw_batches[P0] = _with_a_bad_record(bad)
    found = []
    with capture_logs() as lines:
        for second in (0, 2, 5, 6, 7, 8, 9):
            clock.now = float(second)
            fetch = await fetching.fetch({P0}, 0.0, 100)
            found += fetch.records.values()
            assert bool(found) == (second > 5)
    assert [(taken.start, taken.end, [row.offset for row in taken.rows]) for taken in found] == pieces
    rows = {row.offset: (row.value, bool(taken.unreadable)) for taken in found for row in taken.rows}
    assert rows == {offset: (value, offset == bad) for offset, value in enumerate([b"a", b"b", b"c"])}
    assert [(line["first"], line["last"]) for line in lines] == [(bad, bad)]
    assert client.position(P0) == 3
    assert not fetch.unreadable


def _with_a_bad_record(bad):
    pieces = batch(0, [b"a", b"b", b"c"], headers=[("ZZZZ", b"v")]).split(b"ZZZZ")
    pieces[bad] += b"\xff\xfe\xfd\xfc" + pieces.pop(bad + 1)
    return checked(b"ZZZZ".join(pieces))


async def _set_aside(client, fetching, clock, most=100):
    """Have a batch of P0 looked into, and give the first of what comes of it."""
    client.logs[P0].damaged[0] = CorruptRecordException()
    for second in (0, 2, 5):
        clock.now = float(second)
        await fetching.fetch({P0}, 0.0, most)
    clock.now = 6.0
    return (await fetching.fetch({P0}, 0.0, most)).records[P0]


async def test_what_is_set_aside_accounts_for_the_offsets_behind_the_last_record():
    """Compaction has removed records at the end of the batch."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.logs[P0].append(3, gap=2)
    raw = bytearray(_with_a_bad_record(2))
    struct.pack_into(">i", raw, 23, 4)
    client.raw_batches[P0] = checked(bytes(raw))
    found = [await _set_aside(client, fetching, clock)]
    found += [(await fetching.fetch({P0}, 0.0, 100)).records[P0] for _ in range(2)]
    assert [(taken.start, taken.end, len(taken.rows)) for taken in found] == [(0, 2, 2), (2, 3, 1), (3, 5, 0)]
    assert not (await fetching.fetch({P0}, 0.0, 100)).records


@pytest.mark.parametrize(("most", "taken"), [(1, [(0, 1), (1, 2), (2, 3)]), (2, [(0, 2), (2, 3)])])
async def test_what_is_kept_comes_in_parts_that_there_is_room_for(most, taken):
    """Each accounts for its own offsets, and the next begins where it ends."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.logs[P0].append(3)
    client.raw_batches[P0] = _with_a_bad_record(2)
    found = [await _set_aside(client, fetching, clock, most)]
    found += [(await fetching.fetch({P0}, 0.0, most)).records[P0] for _ in taken[1:]]
    assert [(each.start, each.end) for each in found] == taken


async def test_a_batch_that_arrives_after_a_rebalance_is_not_kept():
    """It is of the assignment before; the new one reads, and fails, by itself."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.logs[P0].append(3)

    async def rebalanced(_partition, _offset):
        client.assign()
        fetching.assigned()
        return _with_a_bad_record(2)

    client.raw = rebalanced
    client.logs[P0].damaged[0] = CorruptRecordException()
    for second in (0, 2, 5, 6):
        clock.now = float(second)
        fetch = await fetching.fetch({P0}, 0.0, 100)
        assert not fetch.records
    assert (fetch.number, fetch.unreadable[P0].tries) == (2, 1)


async def test_a_try_that_gives_nothing_is_no_success():
    """What was fetched anew holds no record and no error yet: the place is told as before."""
    client, fetching, clock = made_fetching(P0)
    client.logs[P0].append(1)
    client.logs[P0].damaged[0] = CorruptRecordException()
    await fetching.fetch({P0}, 0.0, 10)
    clock.now = 2.0
    client.poll = lambda _partition, _most: PolledRecords((), 0, 0)
    fetch = await fetching.fetch({P0}, 0.0, 10)
    assert (fetch.records, fetch.unreadable[P0].tries) == ({}, 1)


async def test_by_default_nothing_is_set_aside():
    """However often it was tried."""
    client, fetching, clock = made_fetching(P0)
    client.logs[P0].append(1)
    client.logs[P0].damaged[0] = CorruptRecordException()
    client.raw_batches[P0] = batch(0, [b"a"])
    for second in range(100):
        clock.now = float(second)
        assert not (await fetching.fetch({P0}, 0.0, 10)).records


async def test_a_new_assignment_knows_nothing_of_the_one_before():
    """Neither where it had read, nor what it had kept, nor what could not be read: all begins with what is committed."""
    client, fetching, clock = made_fetching(P0, P1)
    log = client.logs[P0]
    log.append(10)
    client.logs[P1].append(1)
    client.logs[P1].damaged[0] = CorruptRecordException()
    fetch = await fetching.fetch({P0, P1}, 0.01, 4)
    position, client.position = client.position, lambda partition: client.logs[partition].position
    log.first = 5
    await fetching.survey([P0])
    client.position = position
    assert await _rows(fetching, P1) == {}
    log.first = 0
    client.stored[P0] = 2
    client.logs[P1].damaged.clear()
    client.assign()
    fetching.assigned()
    assert fetching.number == 2
    assert (await fetching.survey([P0])).unreadable == {}
    fetch = await fetching.fetch({P0, P1}, 0.01, 100)
    assert (offsets_in(fetch, P0), offsets_in(fetch, P1)) == (list(range(2, 10)), [0])
    assert (fetch.records[P0].start, set(fetch.anew), fetch.unreadable) == (2, set(), {})
    clock.now = 100.0
    assert not fetching.expired


async def _rows(fetching, partition):
    return {p: offsets_in(fetch, p) for fetch in [await fetching.fetch({partition}, 0.0, 100)] for p in fetch.records}


async def test_damage_is_looked_into_once_a_try_and_only_where_it_is_admitted():
    """The broker that does not answer is asked again with the next try; a codec that is missing is never set aside."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.logs[P0].append(1)
    client.logs[P0].damaged[0] = CorruptRecordException()
    asked = []

    async def raw(partition, offset):
        asked.append((partition, offset, clock.now))
        raise CorruptRecordException

    client.raw = raw
    for second in range(20):
        clock.now = float(second)
        await fetching.fetch({P0}, 0.0, 10)
    assert [when for _, _, when in asked] == [4.0, 8.0, 16.0]
    await fetching.fetch({P1}, 0.0, 10)
    poll = client.poll
    client.poll = lambda partition, most: replace(poll(partition, most), damaged=False)
    clock.now = 100.0
    await fetching.fetch({P0}, 0.0, 10)
    before = len(asked)
    await fetching.fetch({P0}, 0.0, 10)
    assert len(asked) == before


@pytest.mark.parametrize("set_aside", [False, True])
@pytest.mark.parametrize("count", [3, 5, 20])
async def test_a_topic_that_is_made_again_is_read_whatever_was_held_before(set_aside, count):
    """The place that could not be read went with its topic: all of the new one comes from its first record on, at once."""
    client, fetching, clock = made_fetching(P0, set_aside=set_aside)
    client.logs[P0].append(10)
    client.logs[P0].damaged[5] = CorruptRecordException()
    await fetching.survey([P0])
    await fetching.fetch({P0}, 0.0, 100)
    make_again(client, P0, count)
    client.logs[P0].paused = True
    clock.now = 0.5
    survey = await fetching.survey([P0])
    assert survey.unreadable == {}
    fetch = await fetching.fetch({P0}, 0.0, 100)
    assert (offsets_in(fetch, P0), fetch.unreadable) == (list(range(count)), {})
    client.logs[P0].append(2)
    for second in range(1, 60):
        clock.now = float(second)
        await fetching.survey([P0])
        fetch = await fetching.fetch({P0}, 0.0, 100)
        assert [*fetch.records] == [P0] * (second == 1)


async def test_a_batch_that_arrives_after_its_topic_was_made_again_is_not_kept():
    """It is of the log before, and where it ends says nothing of this one."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.logs[P0].append(3)
    await fetching.survey([P0])

    async def made_again(_partition, _offset):
        make_again(client, P0, 2)
        await fetching.survey([P0])
        return _with_a_bad_record(2)

    client.raw = made_again
    client.logs[P0].damaged[0] = CorruptRecordException()
    for second in (0, 2, 5, 6):
        clock.now = float(second)
        fetch = await fetching.fetch({P0}, 0.0, 100)
    assert (offsets_in(fetch, P0), fetch.unreadable) == ([0, 1], {})
