"""Records that are deleted before they are read, and where a group begins: what was lost is told once, and nothing else is."""

import asyncio
from dataclasses import replace

import pytest
from aiokafka.errors import KafkaError
from fetching_scene import Clock, made_fetching, offsets_in
from stub_client import StubClient
from virtual_time import in_virtual_time

from bridge.kafka.consumer.client.fetching import Expired, Fetching

P0, P1 = ("t", 0), ("t", 1)


async def test_records_that_were_deleted_unread_are_told_once():
    """While it runs, and each further rise by itself; the next records account for the gap."""
    client, fetching, _ = made_fetching(P0)
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
    fetching = Fetching(client, Clock())
    client.assign()
    fetching.assigned()
    waiting = [(await fetching.survey([P0])).offsets[P0].waiting for _ in range(3)]
    assert list(fetching.expired) == [Expired(P0, 4, 10)]
    assert waiting == [0, 0, 0], "lost is not waiting"


async def test_a_loss_is_not_told_again_when_the_partition_comes_back():
    """Nothing was committed since: of the gap only what is lost now, as what was in flight then, is told after the rebalance."""
    client, fetching, _ = made_fetching(P0)
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
    client, fetching, _ = made_fetching(P0)
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
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(3)
    client.logs[P0].position = None
    assert (await fetching.survey([P0])).offsets[P0].waiting is None
    client.assign()
    assert (await fetching.survey([P0])).offsets[P0].waiting == 3


async def test_a_position_that_is_being_looked_for_says_nothing_of_losses():
    """The client resets it after records were deleted; the next survey tells them."""
    client, fetching, _ = made_fetching(P0)
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
    fetching = Fetching(client, Clock())
    client.assign()
    fetching.assigned()
    taken = (await fetching.fetch({P0}, 0.01, 10)).records[P0]
    assert (taken.start, not fetching.expired) == (100, True)


@pytest.mark.parametrize("look", ["fetch", "survey"])
async def test_where_a_group_begins_is_stored(look):
    """What was read and is deleted before anything of it is committed is told by whoever has the partition next."""
    client, fetching, _ = made_fetching(P0)
    log = client.logs[P0]
    log.append(20)
    if look == "fetch":
        assert offsets_in(await fetching.fetch({P0}, 0.01, 10), P0) == list(range(10))
    else:
        await fetching.survey([P0])
    assert client.stored == {P0: 0}
    log.first, log.rows = 15, log.rows[15:]
    other = Fetching(client, Clock())
    client.assign()
    other.assigned()
    await other.fetch({P0}, 0.01, 10)
    assert list(other.expired) == [Expired(P0, 0, 15)]


@in_virtual_time
async def test_where_a_group_begins_takes_nothing_back():
    """Fetching and surveying begin at once, and the first of the two commits is answered late: it is the only one."""
    client, fetching, _ = made_fetching(P0)
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
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(3)
    client.fail_commits = True
    with pytest.raises(KafkaError):
        await fetching.fetch({P0}, 0.01, 10)
    client.fail_commits = False
    assert offsets_in(await fetching.fetch({P0}, 0.01, 10), P0) == [0, 1, 2]


async def test_what_the_client_still_has_of_deleted_records_is_not_lost():
    """Nothing is fetched while AEP is away, and retention passes by: what was received already is kept and delivered."""
    client, fetching, _ = made_fetching(P0)
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
    assert offsets_in(first, P0) == [3, 4]
    assert offsets_in(await fetching.fetch({P0}, 0.01, 20), P0) == [5, 6, 7]
    last = await fetching.fetch({P0}, 0.01, 20)
    assert (offsets_in(last, P0), last.records[P0].start) == ([10], 8)


async def test_a_log_that_was_cut_is_read_anew():
    """An election without the newest replica: the end lies before what was read, and the client begins with the first."""
    client, fetching, _ = made_fetching(P0)
    log = client.logs[P0]
    log.append(10)
    await fetching.fetch({P0}, 0.01, 100)
    log.rows, log.end = log.rows[:4], 4
    fetch = await fetching.fetch({P0}, 0.01, 100)
    assert (offsets_in(fetch, P0), set(fetch.anew)) == ([0, 1, 2, 3], {P0})
    assert fetch.records[P0].start == 0
    client.stored[P0] = 10
    assert (await fetching.survey([P0])).offsets[P0].waiting == 4, "the committed offset is of the log before"
    log.append(1)
    assert not (await fetching.fetch({P0}, 0.01, 100)).anew


async def test_a_topic_that_is_made_again_in_an_instant_waits_with_all_it_has():
    """No rebalance tells of it: losses and offsets of the log before say nothing of this one."""
    client, fetching, _ = made_fetching(P0)
    log = client.logs[P0]
    log.append(20)
    await fetching.fetch({P0}, 0.01, 2)
    log.first, log.rows = 10, log.rows[10:]
    await fetching.fetch({P0}, 0.01, 100)
    client.stored[P0] = 20
    client.logs[P0] = anew = type(log)(position=20)
    anew.append(12)
    fetch = await fetching.fetch({P0}, 0.01, 1)
    assert (offsets_in(fetch, P0), set(fetch.anew)) == ([0], {P0})
    assert (await fetching.survey([P0])).offsets[P0].waiting == 12


async def test_offsets_that_no_batch_has_are_told_as_lost():
    """The topic of events is not compacted: a broker that passes over a damaged batch leaves such a gap, and nothing else."""
    client, fetching, _ = made_fetching(P0)
    client.logs[P0].append(5)
    poll = client.poll
    client.poll = lambda partition, most: replace(poll(partition, most), gaps=[(0, 3)])
    assert (await fetching.fetch({P0}, 0.0, 10)).records
    assert list(fetching.expired) == [Expired(P0, 0, 3)]


async def test_a_position_that_is_found_while_others_begin_waits_for_the_next_survey():
    """Where it begins is not stored yet, so nothing of it is taken out or told."""
    client, fetching, _ = made_fetching(P0, P1)
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
