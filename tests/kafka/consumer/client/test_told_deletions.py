"""What is told as lost of a topic that was deleted? What nobody had read of it, once, by whoever had it."""

import pytest
from deleted_topics import P0, P1, fetching_of, make_again, read_offsets
from stub_client import Log

from bridge.kafka.consumer.client.deleted_logs import DeletedLogs
from bridge.kafka.consumer.client.fetching import Expired
from bridge.kafka.topic_identity import ABSENT


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
