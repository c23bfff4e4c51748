"""Which offsets are committed when a topic was deleted, made again or cut? None of the log before in the next."""

from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from deleted_topics import P0, P1, fetching_of, make_again, read_offsets

from bridge.kafka.consumer.client.fetching import Expired
from bridge.kafka.consumer.ledger import Ledger


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
