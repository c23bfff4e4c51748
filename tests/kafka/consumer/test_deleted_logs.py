"""A topic is deleted, and made again: what nobody had read of it is counted, and of what comes in its place nothing is passed over."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from deleted_topics import P0, fetching_of, make_again, read_offsets
from stub_client import Log, StubClient

from bridge.kafka.consumer.client.deleted_logs import DeletedLogs
from bridge.kafka.consumer.client.fetching import Expired
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.topic_identity import ABSENT

P1 = ("t", 1)


async def test_a_topic_made_again_with_more_records_than_were_read_is_read_from_its_first():
    """The client's position is there too, so that it would go on in the middle: the events before it would be lost unseen."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    assert await read_offsets(fetching, 4) == [0, 1, 2, 3]
    await fetching.survey([P0])
    make_again(client, P0, 30)
    await fetching.survey([P0])
    fetch = await fetching.fetch({P0}, 0.01, 100)
    assert [row.offset for row in fetch.records[P0].rows] == list(range(30))
    assert set(fetch.anew) == {P0}
    assert list(fetching.expired) == [Expired(P0, 4, 10)], "what was handed on gets its verdict"
    assert client.stored == {P0: 0}, "whoever comes next begins with the first record too"


async def test_a_topic_made_again_is_noticed_once():
    """A broker that does not know of the new one yet takes nothing back, and neither does one that says nothing."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching)
    await fetching.survey([P0])
    make_again(client, P0, 5)
    for identity in (b"second", b"first", None, b"second", b"first"):
        client.identity = identity
        await fetching.survey([P0])
        await read_offsets(fetching)
    assert client.commits.count({P0: 0}) == 2, "at the beginning, and when it was made again"
    make_again(client, P0, 20, identity=b"third")
    await fetching.survey([P0])
    assert await read_offsets(fetching) == list(range(20))
    assert not fetching.expired


async def test_a_topic_that_says_late_which_it_is_is_the_same():
    """What was not known when it was seen first is no difference."""
    client, fetching = fetching_of(P0)
    client.identity = None
    client.logs[P0].append(10)
    await read_offsets(fetching, 4)
    await fetching.survey([P0])
    client.identity = b"first"
    await fetching.survey([P0])
    assert await read_offsets(fetching) == [4, 5, 6, 7, 8, 9]
    assert not fetching.expired


async def test_what_is_finished_of_a_log_that_is_gone_is_not_committed_in_the_next():
    """The next worker would begin there, behind records that nobody has read. It is settled all the same: there is no more to it."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching)
    await fetching.survey([P0])
    make_again(client, P0, 4)
    await fetching.survey([P0])
    assert await fetching.store(1, {P0: 10}, {})
    assert client.stored == {P0: 0}
    assert await read_offsets(fetching) == [0, 1, 2, 3]
    assert await fetching.store(1, {P0: 10}, {})
    assert client.stored == {P0: 0}
    assert await fetching.store(1, {P0: 4}, {})
    assert client.stored == {P0: 4}


def test_offsets_of_a_log_that_is_gone_are_not_offered_once_the_next_has_begun():
    """The new records may be as many: then only the order tells them apart."""
    ledger = Ledger()
    ledger.open(1, {P0: 0})
    rows = [SimpleNamespace(timestamp=0)] * 5
    before = [ledger.register_chunk(P0, 1, rows, 1, first=first, last=first + 4) for first in (0, 5)]
    anew = [ledger.register_chunk(P0, 1, rows, 1, first=0, last=4, anew=True) for _ in range(2)]
    for chunk in (*before, *anew):
        ledger.admit(chunk, 5)
    seen = []
    for chunk in (*before, *anew):
        ledger.resolve(chunk, 5)
        seen.append(ledger.committable())
    assert seen == [{}, {}, {}, {P0: 5}]


async def test_the_new_log_is_begun_only_when_that_is_stored():
    """Else the worker could die with the group's offset of the log before; a group that cannot store it is asked again."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching, 4)
    await fetching.survey([P0])
    make_again(client, P0, 30)
    client.fail_commits = True
    with pytest.raises(KafkaError):
        await fetching.survey([P0])
    assert not fetching.expired
    client.fail_commits = False
    await fetching.survey([P0])
    assert await read_offsets(fetching) == list(range(30))
    assert list(fetching.expired) == [Expired(P0, 4, 10)]


async def test_a_log_that_was_cut_is_begun_only_when_that_is_stored():
    """As a topic that was made again; and what it had and nobody had read is told, as far as its end was seen."""
    client, fetching = fetching_of(P0)
    log = client.logs[P0]
    log.append(10)
    await read_offsets(fetching, 6)
    await fetching.survey([P0])
    client.stored[P0] = 6
    log.rows, log.end = log.rows[:4], 4
    client.fail_commits = True
    with pytest.raises(KafkaError):
        await read_offsets(fetching)
    assert client.stored == {P0: 6}
    client.fail_commits = False
    assert await read_offsets(fetching) == [0, 1, 2, 3]
    assert client.stored == {P0: 0}
    assert list(fetching.expired) == [Expired(P0, 6, 10)]


async def test_what_a_deleted_topic_had_unread_is_told_when_the_assignment_is_over():
    """From what was finished, be it that the group could not store it any more, to the end that was seen last; once."""
    client, fetching = fetching_of(P0, P1)
    for log in client.logs.values():
        log.append(10)
    await fetching.fetch({P0, P1}, 0.01, 100)
    await fetching.store(1, {P0: 3}, {})
    await fetching.survey([P0, P1])
    client.identity, client.fail_commits = ABSENT, True
    assert not await fetching.store(1, {P0: 7, P1: 10}, {})
    fetching.assigned()
    await fetching.look_back()
    await fetching.look_back()
    assert list(fetching.expired) == [Expired(P0, 7, 10)]


async def test_what_retention_had_deleted_before_is_not_told_again():
    """Only what was there when the topic was deleted went with it."""
    client, fetching = fetching_of(P0)
    log = client.logs[P0]
    log.append(10)
    client.stored[P0] = 0
    log.first, log.rows = 6, log.rows[6:]
    await fetching.survey([P0])
    assert fetching.expired.popleft() == Expired(P0, 0, 6)
    client.identity = ABSENT
    fetching.assigned()
    await fetching.look_back()
    assert list(fetching.expired) == [Expired(P0, 6, 10)]


async def test_a_deleted_topic_is_told_by_the_next_survey_where_it_was_made_again_at_once():
    """The assignment of before has ended; this one has another partition of the new topic."""
    client, fetching = fetching_of(P0, P1)
    client.logs[P0].append(10)
    await fetching.survey([P0, P1])
    client.stored.clear()
    client.identity = b"second"
    client.logs[P1] = Log()
    client.assign()
    fetching.assigned()
    await fetching.survey([P1])
    assert list(fetching.expired) == [Expired(P0, 0, 10)]


@pytest.mark.parametrize("identity", [b"first", None])
async def test_partitions_that_have_gone_to_another_worker_are_its_to_tell(identity):
    """As long as the topic is there, or nobody says anything, nothing is lost; then what they had is forgotten."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await fetching.survey([P0])
    client.identity = identity
    fetching.assigned()
    await fetching.look_back()
    assert not fetching.expired
    client.identity = b"first"
    await fetching.look_back()
    client.identity = ABSENT
    await fetching.look_back()
    assert not fetching.expired


async def test_an_answer_that_a_rebalance_overtakes_is_forgotten():
    """The partition may be another worker's by then."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await fetching.survey([P0])
    asked = client.topic_identity

    async def overtaken(topic):
        fetching.assigned()
        await asked(topic)
        return ABSENT

    client.topic_identity = overtaken
    await fetching.look_back()
    await fetching.survey([P0])
    assert not fetching.expired


async def _with_secured_records():
    """Ten records, of which two are handed on; the others were read before retention took the first six."""
    client, fetching = fetching_of(P0)
    log = client.logs[P0]
    log.append(10)
    await read_offsets(fetching, 2)
    await fetching.survey([P0])
    held = StubClient.position
    log.first = 6
    client.position = lambda _partition: log.position
    await fetching.survey([P0])
    client.position = lambda partition: held(client, partition)
    return client, fetching


async def test_what_was_secured_of_the_log_before_is_handed_on_first():
    """It was read when retention took it: it still gets its verdict."""
    client, fetching = await _with_secured_records()
    make_again(client, P0, 30)
    await fetching.survey([P0])
    assert await read_offsets(fetching) == list(range(2, 10))
    await fetching.survey([P0])
    assert await read_offsets(fetching) == list(range(30))
    assert not fetching.expired


def test_a_log_that_ends_where_it_is_finished_has_lost_nothing():
    """What was seen only grows: an answer that comes late takes nothing back."""
    logs = DeletedLogs()
    logs.seen(P0, b"first", end=10, finished=2)
    logs.seen(P0, b"first", end=8, finished=1)
    logs.finished({P0: 5, P1: 3})
    logs.finished({P0: 4})
    [(partition, known)] = logs.gone({"t": ABSENT}, ()).items()
    assert (partition, known.end, known.finished) == (P0, 10, 5)
    assert logs.gone({"t": ABSENT}, ()) == {}
    assert logs.topics() == set()


async def test_offsets_of_a_log_that_is_gone_are_not_committed_before_that_is_noticed_either():
    """The partition may be another worker's a moment later, which would begin in the midst of the new log, and tell nobody."""
    client, fetching = fetching_of(P0, P1)
    for log in client.logs.values():
        log.append(10)
    await fetching.fetch({P0, P1}, 0.01, 100)
    await fetching.survey([P0])
    make_again(client, P0, 30)
    assert await fetching.store(1, {P0: 7, P1: 10}, {}), "it is settled: there is no more to it"
    assert client.stored == {P1: 10}
    client.assign()
    fetching.assigned()
    await fetching.survey([P0])
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 7, 10)]


async def test_a_rebalance_while_a_commit_asks_which_topic_it_is_lets_it_be():
    """The partitions may be another worker's by then."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching)
    asked = client.topic_identity

    async def overtaken(topic):
        fetching.assigned()
        return await asked(topic)

    client.topic_identity = overtaken
    assert not await fetching.store(1, {P0: 10}, {})
    assert client.stored == {P0: 0}


def test_what_was_finished_is_not_taken_back_by_what_the_group_has_stored():
    """The group could not store it: told as lost it would be sought in vain, as it is delivered."""
    logs = DeletedLogs()
    logs.seen(P0, b"first", end=10, finished=2)
    logs.finished({P0: 8})
    logs.seen(P0, b"first", end=10, finished=6)
    [known] = logs.gone({"t": ABSENT}, ()).values()
    assert known.finished == 8


def test_a_log_is_certainly_the_known_one_only_when_its_topic_says_so():
    """Whoever counts what was read of it must not count what may be of the next; what says late which it is stays known by that."""
    logs = DeletedLogs()
    said = [logs.seen(P0, identity, end=5, finished=0) for identity in (None, b"first", None, b"second", b"first")]
    assert said == [False, True, False, False, True]
    assert logs.made_again({"t": b"first"}, [P0]) == []
    assert logs.made_again({"t": b"second"}, [P0]) == [P0]
    assert logs.seen(P1, b"first", end=5, finished=0)


async def test_a_topic_that_is_made_again_twice_is_told_in_full_each_time():
    """What was read of the second is its own; what was read of the first does not count for it."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    assert await read_offsets(fetching, 8) == list(range(8))
    await fetching.survey([P0])
    told = []
    for identity, count in ((b"second", 20), (b"third", 6)):
        make_again(client, P0, count, identity=identity)
        await fetching.survey([P0])
        told.append((list(fetching.expired), [(gone.log, gone.begun, gone.upto) for gone in fetching.gone]))
        fetching.expired.clear()
        fetching.gone.clear()
        assert await read_offsets(fetching, 3) == [0, 1, 2]
        await fetching.survey([P0])
    assert told == [([Expired(P0, 8, 10)], [(0, 0, 8)]), ([Expired(P0, 3, 20)], [(1, 0, 3)])]


async def test_a_topic_that_is_made_again_before_its_log_was_looked_at_is_read_from_its_first_record():
    """Between two looks it was read, and the next one has other records at these offsets."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching)
    await fetching.survey([P0])
    make_again(client, P0, 20)
    logs = fetching._account._logs
    await fetching._account.look_for_deleted({"t": b"second"}, [P0])
    assert await read_offsets(fetching, 5) == [0, 1, 2, 3, 4]
    assert logs.made_again({"t": b"third"}, [P0]) == [P0]
    make_again(client, P0, 30, identity=b"third")
    await fetching.survey([P0])
    assert await read_offsets(fetching) == list(range(30))
    assert client.stored == {P0: 0}


@pytest.mark.parametrize("surveyed", [False, True])
async def test_a_shorter_topic_that_is_made_again_before_a_look_is_known_from_its_beginning(surveyed):
    """The client has gone back by itself; the next topic of the name comes before a survey has seen this one."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching)
    if surveyed:
        await fetching.survey([P0])
    make_again(client, P0, 4)
    assert await read_offsets(fetching, 3) == [0, 1, 2]
    make_again(client, P0, 30, identity=b"third")
    await fetching.survey([P0])
    assert await read_offsets(fetching) == list(range(30))


async def test_a_log_that_was_cut_is_still_of_its_topic():
    """It is deleted and made again later: that is noticed, and what it had come to have since is told."""
    client, fetching = fetching_of(P0)
    log = client.logs[P0]
    log.append(10)
    await read_offsets(fetching)
    await fetching.survey([P0])
    client.stored[P0] = 10
    log.rows, log.end = log.rows[:4], 4
    assert await read_offsets(fetching) == [0, 1, 2, 3]
    await fetching.survey([P0])
    log.append(3)
    await fetching.survey([P0])
    make_again(client, P0, 30)
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 4, 7)]
    assert await read_offsets(fetching) == list(range(30))


async def test_what_was_secured_of_a_log_is_handed_on_before_the_client_is_seen_to_have_gone_back():
    """Else it would pass for the beginning of the new one."""
    client, fetching = await _with_secured_records()
    make_again(client, P0, 5)
    fetches = [await fetching.fetch({P0}, 0.01, 100) for _ in range(2)]
    assert [[row.offset for row in fetch.records[P0].rows] for fetch in fetches] == [list(range(2, 10)), list(range(5))]
    assert [dict(fetch.anew) for fetch in fetches] == [{}, {P0: 1}]


async def test_two_who_notice_the_same_new_topic_begin_it_once():
    """A fetch and a survey at the same moment: what was read between would be told as lost."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching)
    await fetching.survey([P0])
    make_again(client, P0, 4)
    await asyncio.gather(fetching.survey([P0]), fetching.fetch({P0}, 0.01, 100), fetching.survey([P0]))
    await read_offsets(fetching)
    assert fetching._account.logs_begun == 1
    assert [(gone.log, gone.begun, gone.upto) for gone in fetching.gone] == [(0, 0, 10)]
    assert not fetching.expired


async def test_a_topic_that_is_noticed_by_a_survey_is_known_from_that_survey_on():
    """It is deleted before the next one: all that the survey saw of it is told, from its first record on."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching, 4)
    await fetching.survey([P0])
    make_again(client, P0, 30)
    await fetching.survey([P0])
    make_again(client, P0, 5, identity=b"third")
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 4, 10), Expired(P0, 0, 30)]
