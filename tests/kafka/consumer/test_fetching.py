"""Fetching, above a client whose logs a test holds in its hands: nothing is passed over, and nothing of one partition costs another."""

import asyncio
import struct
from dataclasses import replace

import pytest
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetMetadataTooLargeError
from fetched_batches import batch, checked
from structlog.testing import capture_logs
from stub_client import StubClient

from bridge.kafka.consumer.client.fetching import Expired, Fetching, SkippedError
from bridge.kafka.consumer.client.kafka_client import PolledRecords

P0, P1 = ("t", 0), ("t", 1)


class _Clock:
    now = 0.0

    def __call__(self):
        return self.now


def _made(*partitions, **how):
    client, clock = StubClient(*partitions), _Clock()
    fetching = Fetching(client, clock, **how)
    client.assign()
    fetching.assigned()
    return client, fetching, clock


def _offsets(fetch, partition):
    return [row.offset for row in fetch.records[partition].rows]


async def test_a_damaged_partition_costs_the_other_nothing():
    """The other's records come, the damaged one's position stays, and it is read again at a slow pace until it is mended."""
    client, fetching, clock = _made(P0, P1)
    for log in client.logs.values():
        log.append(5)
    client.logs[P1].damaged[2] = CorruptRecordException("payload")
    fetch = await fetching.fetch({P0, P1}, 0.01, 100)
    assert _offsets(fetch, P0) == [0, 1, 2, 3, 4]
    assert _offsets(fetch, P1) == [0, 1], "what lies before it"
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
    assert _offsets(fetch, P1) == [2, 3, 4]
    assert fetch.records[P1].start == 2
    assert not fetch.unreadable


async def test_a_held_partition_is_tried_only_when_it_is_admitted():
    """Records of a partition that nobody asks for would have no place to go."""
    client, fetching, clock = _made(P0)
    client.logs[P0].append(1)
    client.logs[P0].damaged[0] = CorruptRecordException()
    await fetching.fetch({P0}, 0.0, 10)
    clock.now = 100.0
    await fetching.fetch({P1}, 0.0, 10)
    assert client.logs[P0].paused


async def test_every_offset_is_accounted_for():
    """Markers behind records, and takes that end in the middle of what has come: each begins where the one before ended."""
    client, fetching, _ = _made(P0)
    client.logs[P0].append(3, gap=2)
    first = (await fetching.fetch({P0}, 0.01, 2)).records[P0]
    second = (await fetching.fetch({P0}, 0.01, 2)).records[P0]
    assert (first.start, first.end, second.start, second.end) == (0, 2, 2, 5)
    client.logs[P0].append(0, gap=1)
    only_a_marker = (await fetching.fetch({P0}, 0.01, 2)).records[P0]
    assert (only_a_marker.rows, only_a_marker.start, only_a_marker.end) == ([], 5, 6)


async def test_at_most_what_there_is_room_for_is_taken_over_all_partitions():
    """The bound is one for all, and what is beyond it stays in the client."""
    client, fetching, _ = _made(P0, P1)
    for log in client.logs.values():
        log.append(5)
    fetch = await fetching.fetch({P0, P1}, 0.01, 7)
    assert sum(len(taken.rows) for taken in fetch.records.values()) == 7
    assert not client.patient, "there is more"


async def test_a_client_that_passes_over_records_ends_the_worker():
    """They are still there, so nothing behind them may be read: an error, not another try."""
    client, fetching, _ = _made(P0)
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
    client, fetching, _ = _made(P0)
    client.logs[P0].append(1)

    def broken(_partition, _most):
        raise raised

    client.poll = broken
    with pytest.raises(seen):
        await fetching.fetch({P0}, 0.01, 10)


async def test_records_that_were_deleted_unread_are_told_once():
    """While it runs, and each further rise by itself; the next records account for the gap."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(10)
    await fetching.fetch({P0}, 0.01, 3)
    log.first, log.rows = 6, log.rows[6:]
    taken = (await fetching.fetch({P0}, 0.01, 2)).records[P0]
    assert list(fetching.expired) == [Expired(P0, 3, 6)]
    assert (taken.start, taken.rows[0].offset) == (3, 6)
    log.first, log.rows = 9, log.rows[3:]
    await fetching.fetch({P0}, 0.01, 2)
    assert list(fetching.expired) == [Expired(P0, 3, 6), Expired(P0, 8, 9)]


async def test_records_deleted_while_no_worker_ran_are_told_at_start_without_a_record():
    """The committed offset is not there any more, and nothing comes: the survey tells it, once."""
    client = StubClient(P0)
    client.stored[P0] = 4
    log = client.logs[P0]
    log.first = log.end = 10
    fetching = Fetching(client, _Clock())
    client.assign()
    fetching.assigned()
    waiting = [(await fetching.survey([P0])).offsets[P0].waiting for _ in range(3)]
    assert list(fetching.expired) == [Expired(P0, 4, 10)]
    assert waiting == [0, 0, 0], "lost is not waiting"


async def test_a_loss_is_not_told_again_when_the_partition_comes_back():
    """Nothing was committed since: of the gap only what is lost now, as what was in flight then, is told after the rebalance."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(20)
    await fetching.fetch({P0}, 0.01, 5)
    client.stored[P0] = 2
    log.first, log.rows = 10, log.rows[10:]
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 5, 10)]
    fetching.expired.clear()
    log.first, log.rows = 12, log.rows[2:]
    client.assign()
    fetching.assigned()
    survey = await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 2, 5), Expired(P0, 10, 12)]
    assert survey.offsets[P0].waiting == 8
    fetching.expired.clear()
    client.assign()
    fetching.assigned()
    await fetching.survey([P0])
    assert not fetching.expired


async def test_a_topic_made_again_has_losses_of_its_own():
    """The group has committed nothing in it, and its offsets begin anew."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(8)
    client.stored[P0] = 0
    log.first, log.rows = 8, []
    await fetching.survey([P0])
    assert fetching.expired.popleft() == Expired(P0, 0, 8)
    client.logs[P0] = log = type(log)()
    client.stored.clear()
    client.assign()
    fetching.assigned()
    log.append(8)
    assert (await fetching.survey([P0])).offsets[P0].waiting == 8
    await fetching.fetch({P0}, 0.01, 1)
    log.first, log.rows = 8, []
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 1, 8)]


async def test_what_waits_is_not_known_before_the_client_knows_where_to_begin():
    """No figure, rather than a wrong one."""
    client, fetching, _ = _made(P0)
    client.logs[P0].append(3)
    client.logs[P0].position = None
    assert (await fetching.survey([P0])).offsets[P0].waiting is None
    client.assign()
    assert (await fetching.survey([P0])).offsets[P0].waiting == 3


async def test_a_position_that_is_being_looked_for_says_nothing_of_losses():
    """The client resets it after records were deleted; the next survey tells them."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(5)
    await fetching.fetch({P0}, 0.01, 2)
    log.first, log.rows, log.position = 4, log.rows[4:], None
    await fetching.survey([P0])
    assert not fetching.expired
    log.position = 4
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 2, 4)]


async def test_a_group_that_begins_has_lost_nothing():
    """It has committed nothing, and begins with the first record that is there."""
    client = StubClient(P0)
    client.logs[P0].first = client.logs[P0].end = 100
    client.logs[P0].append(1)
    fetching = Fetching(client, _Clock())
    client.assign()
    fetching.assigned()
    taken = (await fetching.fetch({P0}, 0.01, 10)).records[P0]
    assert (taken.start, not fetching.expired) == (100, True)


@pytest.mark.parametrize("look", ["fetch", "survey"])
async def test_where_a_group_begins_is_stored(look):
    """What was read and is deleted before anything of it is committed is told by whoever has the partition next."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(20)
    if look == "fetch":
        assert _offsets(await fetching.fetch({P0}, 0.01, 10), P0) == list(range(10))
    else:
        await fetching.survey([P0])
    assert client.stored == {P0: 0}
    log.first, log.rows = 15, log.rows[15:]
    other = Fetching(client, _Clock())
    client.assign()
    other.assigned()
    await other.fetch({P0}, 0.01, 10)
    assert list(other.expired) == [Expired(P0, 0, 15)]


async def test_where_a_group_begins_takes_nothing_back():
    """Fetching and surveying begin at once, and the first of the two commits is answered late: it is the only one."""
    client, fetching, _ = _made(P0)
    client.logs[P0].append(10)
    commit = client.commit

    async def late(offsets, notes):
        await asyncio.sleep(0.05)
        await commit(offsets, notes)

    client.commit = late
    survey = asyncio.create_task(fetching.survey([P0]))
    await asyncio.sleep(0.01)
    fetch = await fetching.fetch({P0}, 0.01, 10)
    client.commit = commit
    assert await fetching.store(fetch.number, {P0: 10}, {})
    await survey
    assert client.commits == [{P0: 0}, {P0: 10}]


async def test_nothing_is_handed_on_while_the_beginning_cannot_be_stored():
    """The commit fails: no record is taken out, and with the next try all of them come."""
    client, fetching, _ = _made(P0)
    client.logs[P0].append(3)
    client.fail_commits = True
    with pytest.raises(KafkaError):
        await fetching.fetch({P0}, 0.01, 10)
    client.fail_commits = False
    assert _offsets(await fetching.fetch({P0}, 0.01, 10), P0) == [0, 1, 2]


async def test_what_the_client_still_has_of_deleted_records_is_not_lost():
    """Nothing is fetched while AEP is away, and retention passes by: what was received already is kept and delivered."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(10)
    await fetching.fetch({P0}, 0.01, 3)
    received, log.first = log.rows[:8], 9
    position = client.position
    client.position = lambda _partition: log.position  # it has them, so that it does not look at the broker
    log.rows, log.end = received, 8
    await fetching.survey([P0])
    client.position, log.end, log.rows = position, 10, []
    log.append(1)
    survey = await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 8, 9)]
    assert survey.offsets[P0].waiting == 10, "eleven, of which one is lost"
    client.stored[P0] = 5
    assert (await fetching.survey([P0])).offsets[P0].waiting == 5
    client.stored[P0] = 10
    assert (await fetching.survey([P0])).offsets[P0].waiting == 1
    first = await fetching.fetch({P0}, 0.01, 2)
    assert _offsets(first, P0) == [3, 4]
    assert _offsets(await fetching.fetch({P0}, 0.01, 20), P0) == [5, 6, 7]
    last = await fetching.fetch({P0}, 0.01, 20)
    assert (_offsets(last, P0), last.records[P0].start) == ([10], 8)


async def test_a_log_that_was_cut_is_read_anew():
    """An election without the newest replica: the end lies before what was read, and the client begins with the first."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(10)
    await fetching.fetch({P0}, 0.01, 100)
    log.rows, log.end = log.rows[:4], 4
    fetch = await fetching.fetch({P0}, 0.01, 100)
    assert (_offsets(fetch, P0), set(fetch.anew)) == ([0, 1, 2, 3], {P0})
    assert fetch.records[P0].start == 0
    client.stored[P0] = 10
    assert (await fetching.survey([P0])).offsets[P0].waiting == 4, "the committed offset is of the log before"
    log.append(1)
    assert not (await fetching.fetch({P0}, 0.01, 100)).anew


async def test_a_topic_that_is_made_again_in_an_instant_waits_with_all_it_has():
    """No rebalance tells of it: losses and offsets of the log before say nothing of this one."""
    client, fetching, _ = _made(P0)
    log = client.logs[P0]
    log.append(20)
    await fetching.fetch({P0}, 0.01, 2)
    log.first, log.rows = 10, log.rows[10:]
    await fetching.fetch({P0}, 0.01, 100)
    client.stored[P0] = 20
    client.logs[P0] = anew = type(log)(position=20)
    anew.append(12)
    fetch = await fetching.fetch({P0}, 0.01, 1)
    assert (_offsets(fetch, P0), set(fetch.anew)) == ([0], {P0})
    assert (await fetching.survey([P0])).offsets[P0].waiting == 12


@pytest.mark.parametrize("number", [0, 2])
async def test_offsets_of_another_assignment_are_not_stored(number):
    """The group has given the partitions to others meanwhile, or has numbered them anew."""
    client, fetching, _ = _made(P0)
    asked, identity = [], client.topic_identity
    client.topic_identity = lambda topic: asked.append(topic) or identity(topic)
    assert not await fetching.store(number, {P0: 5}, {})
    assert (client.commits, asked) == ([], []), "nor is a broker asked for them"
    assert await fetching.store(1, {P0: 5}, {})
    assert client.commits == [{P0: 5}]


async def test_a_commit_that_fails_is_no_commit():
    """False, and no error: it is offered again."""
    client, fetching, _ = _made(P0)
    client.fail_commits = True
    assert not await fetching.store(1, {P0: 5}, {})


async def test_a_rebalance_while_the_client_is_asked_forgets_what_was_known():
    """The committed offsets that come after it belong to the assignment before."""
    client, fetching, _ = _made(P0)
    client.logs[P0].append(5)
    fetching_task = asyncio.create_task(fetching.fetch({P0}, 0.0, 10))
    await asyncio.sleep(0)
    client.stored[P0] = 3
    client.assign()
    fetching.assigned()
    fetch = await fetching_task
    assert (fetch.number, _offsets(fetch, P0), fetch.records[P0].start) == (2, [3, 4], 3)


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
    client, fetching, clock = _made(P0, set_aside=True)
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
    client, fetching, clock = _made(P0, set_aside=True)
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
    client, fetching, clock = _made(P0, set_aside=True)
    client.logs[P0].append(3)
    client.raw_batches[P0] = _with_a_bad_record(2)
    found = [await _set_aside(client, fetching, clock, most)]
    found += [(await fetching.fetch({P0}, 0.0, most)).records[P0] for _ in taken[1:]]
    assert [(each.start, each.end) for each in found] == taken


async def test_a_batch_that_arrives_after_a_rebalance_is_not_kept():
    """It is of the assignment before; the new one reads, and fails, by itself."""
    client, fetching, clock = _made(P0, set_aside=True)
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


async def test_what_there_is_no_room_for_is_not_taken_out():
    """It would have no place to go."""
    client, fetching, _ = _made(P0, P1)
    for log in client.logs.values():
        log.append(5)
    asked, poll = [], client.poll
    client.poll = lambda partition, most: asked.append((partition, most)) or poll(partition, most)
    assert set((await fetching.fetch({P0, P1}, 0.0, 5)).records) == {P0}
    assert asked == [(P0, 5)]


async def test_a_try_that_gives_nothing_is_no_success():
    """What was fetched anew holds no record and no error yet: the place is told as before."""
    client, fetching, clock = _made(P0)
    client.logs[P0].append(1)
    client.logs[P0].damaged[0] = CorruptRecordException()
    await fetching.fetch({P0}, 0.0, 10)
    clock.now = 2.0
    client.poll = lambda _partition, _most: PolledRecords((), 0, 0)
    fetch = await fetching.fetch({P0}, 0.0, 10)
    assert (fetch.records, fetch.unreadable[P0].tries) == ({}, 1)


async def test_by_default_nothing_is_set_aside():
    """However often it was tried."""
    client, fetching, clock = _made(P0)
    client.logs[P0].append(1)
    client.logs[P0].damaged[0] = CorruptRecordException()
    client.raw_batches[P0] = batch(0, [b"a"])
    for second in range(100):
        clock.now = float(second)
        assert not (await fetching.fetch({P0}, 0.0, 10)).records


async def test_a_partition_whose_broker_gives_nothing_is_told():
    """Records lie behind the position, and none come for half a minute: the client itself says nothing of that."""
    client, fetching, clock = _made(P0)
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


async def test_offsets_that_no_batch_has_are_told_as_lost():
    """The topic of events is not compacted: a broker that passes over a damaged batch leaves such a gap, and nothing else."""
    client, fetching, _ = _made(P0)
    client.logs[P0].append(5)
    poll = client.poll
    client.poll = lambda partition, most: replace(poll(partition, most), gaps=[(0, 3)])
    assert (await fetching.fetch({P0}, 0.0, 10)).records
    assert list(fetching.expired) == [Expired(P0, 0, 3)]


async def test_a_new_assignment_knows_nothing_of_the_one_before():
    """Neither where it had read, nor what it had kept, nor what could not be read: all begins with what is committed."""
    client, fetching, clock = _made(P0, P1)
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
    assert (_offsets(fetch, P0), _offsets(fetch, P1)) == (list(range(2, 10)), [0])
    assert (fetch.records[P0].start, set(fetch.anew), fetch.unreadable) == (2, set(), {})
    clock.now = 100.0
    assert not fetching.expired


async def _rows(fetching, partition):
    return {p: _offsets(fetch, p) for fetch in [await fetching.fetch({partition}, 0.0, 100)] for p in fetch.records}


async def test_each_fetch_says_that_the_consumer_lives():
    """And so it does while nothing is fetched, or the client would leave the group."""
    client, fetching, _ = _made(P0)
    await fetching.fetch({P0}, 0.0, 10)
    assert client.touched == 1
    await fetching.touch()
    assert client.touched == 2


async def test_the_committed_offsets_are_asked_once_an_assignment():
    """A question a fetch would cost a round trip each."""
    client, fetching, _ = _made(P0)
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
    client, fetching, _ = _made(P0)
    client.logs[P0].append(1)
    poll, client.poll = client.poll, lambda _partition, _most: None
    assert not (await fetching.fetch({P0}, 0.0, 10)).records
    client.poll = poll
    assert _offsets(await fetching.fetch({P0}, 0.0, 10), P0) == [0]


async def test_records_from_another_place_than_the_client_says_end_the_worker():
    """Its position and its records disagree: nobody knows what was passed over."""
    client, fetching, _ = _made(P0)
    client.logs[P0].append(3)
    client.poll = lambda _partition, _most: PolledRecords([], 1, 3)
    with pytest.raises(SkippedError, match="0 was asked for and 1 came"):
        await fetching.fetch({P0}, 0.0, 10)


async def test_the_wait_is_short_only_while_records_of_others_are_here():
    """They may be admitted at any moment; with nothing at all there is no hurry, and an arrival ends it either way."""
    client, fetching, _ = _made(P0, P1)
    loop = asyncio.get_running_loop()
    client.logs[P1].append(1)
    began = loop.time()
    await fetching.fetch({P0}, 5.0, 10)
    assert 0.01 < loop.time() - began < 1
    assert not client.patient
    client.logs[P1].received = False
    waiting = asyncio.create_task(fetching.fetch({P0}, 5.0, 10))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    client.logs[P0].append(1)
    client.receive()
    assert _offsets(await asyncio.wait_for(waiting, 1), P0) == [0]
    assert not client.patient
    await fetching.fetch({P0}, 0.0, 10)
    assert client.patient


async def test_damage_is_looked_into_once_a_try_and_only_where_it_is_admitted():
    """The broker that does not answer is asked again with the next try; a codec that is missing is never set aside."""
    client, fetching, clock = _made(P0, set_aside=True)
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


async def test_a_position_that_is_found_while_others_begin_waits_for_the_next_survey():
    """Where it begins is not stored yet, so nothing of it is taken out or told."""
    client, fetching, _ = _made(P0, P1)
    log = client.logs[P1]
    log.append(3)
    log.position, commit = None, client.commit

    async def found_meanwhile(offsets, notes):
        await commit(offsets, notes)
        log.position, log.first = 0, 2
        client.position = lambda partition: client.logs[partition].position

    client.commit = found_meanwhile
    await fetching.survey([P0, P1])
    assert not fetching.expired


@pytest.mark.parametrize("member", [True, False])
async def test_an_assignment_stands_when_the_group_says_so(member):
    """Asked before what only its owner may write; the number is looked at before and after the question."""
    client, fetching, _ = _made(P0)
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
    client, fetching, _ = _made(P0)
    client.stored, client.notes = {P0: 3}, {P0: "counts"}
    asking = asyncio.create_task(fetching.noted(fetching.number, [P0]))
    await asyncio.sleep(0)
    if overtaken:
        fetching.assigned()
    assert await asking == (None if overtaken else {P0: (3, "counts")})


async def test_notes_that_are_too_long_cost_no_offset():
    """Brokers may take shorter ones: the offsets are stored without, else all of it would come again."""
    client, fetching, _ = _made(P0)
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
    client, fetching, _ = _made(P0)
    client.logs[P0].append(3)
    await fetching.fetch({P0}, 0.01, 10)
    client.fail_commits, before = True, len(client.commits)
    assert await fetching.store(fetching.number, {P0: 9}, {})
    assert len(client.commits) == before
