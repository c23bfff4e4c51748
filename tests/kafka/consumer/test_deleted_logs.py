"""A topic is deleted, and made again: what nobody had read of it is counted, and of what comes in its place nothing is passed over."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from stub_client import Log, StubClient

from bridge.kafka.consumer.client.deleted_logs import DeletedLogs
from bridge.kafka.consumer.client.fetching import Expired, Fetching
from bridge.kafka.consumer.consumption import Consumption, Flow
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.topic_identity import ABSENT
from bridge.runtime.deadline import Deadline

P0, P1 = ("t", 0), ("t", 1)


def _made(*partitions, **how):
    client = StubClient(*partitions)
    fetching = Fetching(client, lambda: 0.0, **how)
    client.assign()
    fetching.assigned()
    return client, fetching


def _replace(client, partition, count, *, identity=b"second", position=None):
    """The topic is made again, with so many records of this partition; the group's offsets went with it."""
    client.identity = identity
    client.stored.clear()
    client.logs[partition] = log = Log(position=client.logs[partition].position if position is None else position)
    log.append(count)


async def _read(fetching, most=100):
    fetch = await fetching.fetch({P0}, 0.01, most)
    found = fetch.records.get(P0)
    return [] if found is None else [row.offset for row in found.rows]


async def test_a_topic_made_again_with_more_records_than_were_read_is_read_from_its_first():
    """The client's position is there too, so that it would go on in the middle: the events before it would be lost unseen."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    assert await _read(fetching, 4) == [0, 1, 2, 3]
    await fetching.survey([P0])
    _replace(client, P0, 30)
    await fetching.survey([P0])
    fetch = await fetching.fetch({P0}, 0.01, 100)
    assert [row.offset for row in fetch.records[P0].rows] == list(range(30))
    assert set(fetch.anew) == {P0}
    assert list(fetching.expired) == [Expired(P0, 4, 10)], "what was handed on gets its verdict"
    assert client.stored == {P0: 0}, "whoever comes next begins with the first record too"


async def test_a_topic_made_again_is_noticed_once():
    """A broker that does not know of the new one yet takes nothing back, and neither does one that says nothing."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching)
    await fetching.survey([P0])
    _replace(client, P0, 5)
    for identity in (b"second", b"first", None, b"second", b"first"):
        client.identity = identity
        await fetching.survey([P0])
        await _read(fetching)
    assert client.commits.count({P0: 0}) == 2, "at the beginning, and when it was made again"
    _replace(client, P0, 20, identity=b"third")
    await fetching.survey([P0])
    assert await _read(fetching) == list(range(20))
    assert not fetching.expired


async def test_a_topic_that_says_late_which_it_is_is_the_same():
    """What was not known when it was seen first is no difference."""
    client, fetching = _made(P0)
    client.identity = None
    client.logs[P0].append(10)
    await _read(fetching, 4)
    await fetching.survey([P0])
    client.identity = b"first"
    await fetching.survey([P0])
    assert await _read(fetching) == [4, 5, 6, 7, 8, 9]
    assert not fetching.expired


async def test_what_is_finished_of_a_log_that_is_gone_is_not_committed_in_the_next():
    """The next worker would begin there, behind records that nobody has read. It is settled all the same: there is no more to it."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching)
    await fetching.survey([P0])
    _replace(client, P0, 4)
    await fetching.survey([P0])
    assert await fetching.store(1, {P0: 10}, {})
    assert client.stored == {P0: 0}
    assert await _read(fetching) == [0, 1, 2, 3]
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
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching, 4)
    await fetching.survey([P0])
    _replace(client, P0, 30)
    client.fail_commits = True
    with pytest.raises(KafkaError):
        await fetching.survey([P0])
    assert not fetching.expired
    client.fail_commits = False
    await fetching.survey([P0])
    assert await _read(fetching) == list(range(30))
    assert list(fetching.expired) == [Expired(P0, 4, 10)]


async def test_a_log_that_was_cut_is_begun_only_when_that_is_stored():
    """As a topic that was made again; and what it had and nobody had read is told, as far as its end was seen."""
    client, fetching = _made(P0)
    log = client.logs[P0]
    log.append(10)
    await _read(fetching, 6)
    await fetching.survey([P0])
    client.stored[P0] = 6
    log.rows, log.end = log.rows[:4], 4
    client.fail_commits = True
    with pytest.raises(KafkaError):
        await _read(fetching)
    assert client.stored == {P0: 6}
    client.fail_commits = False
    assert await _read(fetching) == [0, 1, 2, 3]
    assert client.stored == {P0: 0}
    assert list(fetching.expired) == [Expired(P0, 6, 10)]


async def test_what_a_deleted_topic_had_unread_is_told_when_the_assignment_is_over():
    """From what was finished, be it that the group could not store it any more, to the end that was seen last; once."""
    client, fetching = _made(P0, P1)
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
    client, fetching = _made(P0)
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
    client, fetching = _made(P0, P1)
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
    client, fetching = _made(P0)
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
    client, fetching = _made(P0)
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


async def test_what_was_secured_of_the_log_before_is_handed_on_first():
    """It was read when retention took it: it still gets its verdict."""
    client, fetching = _made(P0)
    log = client.logs[P0]
    log.append(10)
    await _read(fetching, 2)
    await fetching.survey([P0])
    held = StubClient.position
    log.first = 6
    client.position = lambda _partition: log.position
    await fetching.survey([P0])
    client.position = lambda partition: held(client, partition)
    _replace(client, P0, 30)
    await fetching.survey([P0])
    assert await _read(fetching) == list(range(2, 10))
    await fetching.survey([P0])
    assert await _read(fetching) == list(range(30))
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


class _Reporting:
    def __init__(self):
        self.told = []

    def unreadable(self, _places):
        """As the real one."""

    def surveyed(self, _offsets):
        """As the real one."""

    def assigned(self, _partitions):
        """As the real one."""

    def expired(self, lost):
        self.told.append(lost)


async def test_a_look_back_tells_at_once():
    """Nothing is fetched or surveyed meanwhile, which would tell it."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await fetching.survey([P0])
    client.identity = ABSENT
    fetching.assigned()
    reporting = _Reporting()
    consumption = Consumption(
        fetching,
        Flow(tuple, lambda: True, lambda: False),
        ledger=Ledger(),
        gate=None,
        finisher=None,
        reporting=reporting,
        commit_seconds=1.0,
    )
    await consumption.look_back()
    assert reporting.told == [Expired(P0, 0, 10)]


class _Busy:
    """A destination that is away, and answers for so many events of these chunks while their partition is revoked."""

    def __init__(self, ledger):
        self.ledger, self.answers = ledger, []

    async def for_revoke(self):
        for chunk, events in self.answers:
            self.ledger.resolve(chunk, events)
        return Deadline.after(asyncio.get_running_loop().time, 1.0)


class _Open:
    room, is_shut = 1_000, False

    def admitted(self, partitions):
        return partitions

    def shut(self):
        """As the real one."""

    reopen = shut


def _consuming():
    client, fetching = _made(P0)
    ledger, reporting = Ledger(), _Reporting()
    busy = _Busy(ledger)
    consumption = Consumption(
        fetching, Flow(lambda: [P0], lambda: True, lambda: False),
        ledger=ledger, gate=_Open(), finisher=busy, reporting=reporting, commit_seconds=1.0,
    )  # fmt: skip
    consumption.assigned([P0])
    return SimpleNamespace(
        client=client, fetching=fetching, ledger=ledger, told=reporting.told, busy=busy, consumption=consumption
    )


async def _taken(scene):
    chunks = [chunk async for chunk in scene.consumption.chunks(0.01)]
    for chunk in chunks:
        scene.ledger.admit(chunk, len(chunk.records))
    return chunks


@pytest.mark.parametrize("records", [0, 5])
@pytest.mark.parametrize("finished", [0, 4, 6])
async def test_what_was_under_way_of_a_log_that_is_gone_is_told_when_the_assignment_ends(finished, records):
    """It has no verdict then, and whoever comes next cannot read it again; whether or not the new log has a record yet."""
    scene = _consuming()
    log = scene.client.logs[P0]
    log.append(6)
    [first] = await _taken(scene)
    log.append(6)
    await _taken(scene)
    log.append(3)
    await scene.consumption.offsets([P0])
    _replace(scene.client, P0, records)
    await scene.consumption.offsets([P0])
    assert scene.told == [Expired(P0, 12, 15)], "what was read may get its verdict yet"
    await _taken(scene)
    scene.busy.answers = [(first, finished)]
    await scene.consumption.revoked()
    assert scene.told[1:] == [Expired(P0, 6 if finished == 6 else 0, 12)]
    assert scene.ledger.events == 0


async def test_a_log_that_is_found_gone_in_the_last_moment_is_told_too():
    """The client's side knows of it, and no round has told the worker: after the assignment nobody would."""
    scene = _consuming()
    scene.client.logs[P0].append(6)
    await _taken(scene)
    await scene.consumption.offsets([P0])
    _replace(scene.client, P0, 0)
    await scene.fetching.survey([P0])
    assert scene.told == []
    await scene.consumption.revoked()
    assert scene.told == [Expired(P0, 0, 6)]


async def test_what_was_under_way_of_a_log_that_is_gone_and_is_finished_is_not_told():
    """Also where the new log's records are under way when the assignment ends: those are read again."""
    scene = _consuming()
    scene.client.logs[P0].append(6)
    [first] = await _taken(scene)
    await scene.consumption.offsets([P0])
    _replace(scene.client, P0, 5)
    await scene.consumption.offsets([P0])
    [anew] = await _taken(scene)
    scene.busy.answers = [(first, 6), (anew, 3)]
    await scene.consumption.revoked()
    assert scene.told == []


async def test_once_the_next_log_has_progressed_nothing_is_left_to_tell():
    """Its offsets pass those of the one before; and an assignment under which no log has gone tells nothing."""
    scene = _consuming()
    scene.client.logs[P0].append(9)
    [first] = await _taken(scene)
    await scene.consumption.offsets([P0])
    _replace(scene.client, P0, 2)
    await scene.consumption.offsets([P0])
    [anew] = await _taken(scene)
    scene.ledger.resolve(first, 9)
    scene.ledger.resolve(anew, 2)
    scene.client.logs[P0].append(4)
    await _taken(scene)
    await scene.consumption.revoked()
    scene.client.assign()
    scene.fetching.assigned()
    scene.consumption.assigned([P0])
    await _taken(scene)
    await scene.consumption.revoked()
    assert scene.told == []


async def test_what_was_read_of_the_new_log_before_it_was_noticed_counts_for_none_of_the_old():
    """The client goes on at its position, in the midst of the new log: the old one's records at those offsets were never read."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    assert await _read(fetching, 4) == [0, 1, 2, 3]
    await fetching.survey([P0])
    _replace(client, P0, 30)
    assert await _read(fetching) == list(range(4, 30))
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 4, 10)]
    assert [(gone.begun, gone.upto) for gone in fetching.gone] == [(0, 4)]
    assert await _read(fetching) == list(range(30))


@pytest.mark.parametrize("surveyed", [False, True])
async def test_what_another_assignment_had_under_way_is_told_although_the_new_log_was_read_since(surveyed):
    """It went without a verdict; and what this assignment has read is of the log that is there now."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching, 8)
    await fetching.survey([P0])
    await fetching.store(1, {P0: 3}, {})
    _replace(client, P0, 30, position=0)
    client.assign()
    fetching.assigned()
    if surveyed:
        client.identity = None
        await fetching.survey([P0])
        client.identity = b"second"
    assert await _read(fetching, 7) == list(range(7))
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 3, 10)]
    assert not fetching.gone
    assert await _read(fetching) == list(range(30))


async def test_offsets_of_a_log_that_is_gone_are_not_committed_before_that_is_noticed_either():
    """The partition may be another worker's a moment later, which would begin in the midst of the new log, and tell nobody."""
    client, fetching = _made(P0, P1)
    for log in client.logs.values():
        log.append(10)
    await fetching.fetch({P0, P1}, 0.01, 100)
    await fetching.survey([P0])
    _replace(client, P0, 30)
    assert await fetching.store(1, {P0: 7, P1: 10}, {}), "it is settled: there is no more to it"
    assert client.stored == {P1: 10}
    client.assign()
    fetching.assigned()
    await fetching.survey([P0])
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 7, 10)]


async def test_a_rebalance_while_a_commit_asks_which_topic_it_is_lets_it_be():
    """The partitions may be another worker's by then."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching)
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
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    assert await _read(fetching, 8) == list(range(8))
    await fetching.survey([P0])
    told = []
    for identity, count in ((b"second", 20), (b"third", 6)):
        _replace(client, P0, count, identity=identity)
        await fetching.survey([P0])
        told.append((list(fetching.expired), [(gone.log, gone.begun, gone.upto) for gone in fetching.gone]))
        fetching.expired.clear()
        fetching.gone.clear()
        assert await _read(fetching, 3) == [0, 1, 2]
        await fetching.survey([P0])
    assert told == [([Expired(P0, 8, 10)], [(0, 0, 8)]), ([Expired(P0, 3, 20)], [(1, 0, 3)])]


async def test_a_topic_that_is_made_again_before_its_log_was_looked_at_is_read_from_its_first_record():
    """Between two looks it was read, and the next one has other records at these offsets."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching)
    await fetching.survey([P0])
    _replace(client, P0, 20)
    logs = fetching._account._logs
    await fetching._account.look_for_deleted({"t": b"second"}, [P0])
    assert await _read(fetching, 5) == [0, 1, 2, 3, 4]
    assert logs.made_again({"t": b"third"}, [P0]) == [P0]
    _replace(client, P0, 30, identity=b"third")
    await fetching.survey([P0])
    assert await _read(fetching) == list(range(30))
    assert client.stored == {P0: 0}


@pytest.mark.parametrize("surveyed", [False, True])
async def test_a_shorter_topic_that_is_made_again_before_a_look_is_known_from_its_beginning(surveyed):
    """The client has gone back by itself; the next topic of the name comes before a survey has seen this one."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching)
    if surveyed:
        await fetching.survey([P0])
    _replace(client, P0, 4)
    assert await _read(fetching, 3) == [0, 1, 2]
    _replace(client, P0, 30, identity=b"third")
    await fetching.survey([P0])
    assert await _read(fetching) == list(range(30))


async def test_a_log_that_was_cut_is_still_of_its_topic():
    """It is deleted and made again later: that is noticed, and what it had come to have since is told."""
    client, fetching = _made(P0)
    log = client.logs[P0]
    log.append(10)
    await _read(fetching)
    await fetching.survey([P0])
    client.stored[P0] = 10
    log.rows, log.end = log.rows[:4], 4
    assert await _read(fetching) == [0, 1, 2, 3]
    await fetching.survey([P0])
    log.append(3)
    await fetching.survey([P0])
    _replace(client, P0, 30)
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 4, 7)]
    assert await _read(fetching) == list(range(30))


async def test_what_was_secured_of_a_log_is_handed_on_before_the_client_is_seen_to_have_gone_back():
    """Else it would pass for the beginning of the new one."""
    client, fetching = _made(P0)
    log = client.logs[P0]
    log.append(10)
    await _read(fetching, 2)
    await fetching.survey([P0])
    held = StubClient.position
    log.first = 6
    client.position = lambda _partition: log.position
    await fetching.survey([P0])
    client.position = lambda partition: held(client, partition)
    _replace(client, P0, 5)
    fetches = [await fetching.fetch({P0}, 0.01, 100) for _ in range(2)]
    assert [[row.offset for row in fetch.records[P0].rows] for fetch in fetches] == [list(range(2, 10)), list(range(5))]
    assert [dict(fetch.anew) for fetch in fetches] == [{}, {P0: 1}]


async def test_two_who_notice_the_same_new_topic_begin_it_once():
    """A fetch and a survey at the same moment: what was read between would be told as lost."""
    client, fetching = _made(P0)
    client.logs[P0].append(10)
    await _read(fetching)
    await fetching.survey([P0])
    _replace(client, P0, 4)
    await asyncio.gather(fetching.survey([P0]), fetching.fetch({P0}, 0.01, 100), fetching.survey([P0]))
    await _read(fetching)
    assert fetching._account.logs_begun == 1
    assert [(gone.log, gone.begun, gone.upto) for gone in fetching.gone] == [(0, 0, 10)]
    assert not fetching.expired


async def test_both_logs_that_went_within_one_assignment_are_told_when_it_ends():
    """Nothing of either had a verdict, and nobody finds it again."""
    scene = _consuming()
    scene.client.logs[P0].append(6)
    await _taken(scene)
    await scene.consumption.offsets([P0])
    _replace(scene.client, P0, 9)
    await scene.consumption.offsets([P0])
    await _taken(scene)
    await scene.consumption.offsets([P0])
    _replace(scene.client, P0, 0, identity=b"third")
    await scene.consumption.offsets([P0])
    assert scene.told == []
    await scene.consumption.revoked()
    assert scene.told == [Expired(P0, 0, 6), Expired(P0, 0, 9)]
