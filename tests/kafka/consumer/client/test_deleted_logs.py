"""A topic is deleted, and made again: is the new one read from its first record, once, and what was read of the old one handed on before?"""

import asyncio

from deleted_topics import P0, fetching_of, make_again, read_offsets
from stub_client import StubClient

from bridge.kafka.consumer.client.fetching import Expired


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
