"""A topic is deleted while records of it are under way: each ends with a verdict, or is told as lost once."""

import asyncio
from types import SimpleNamespace

import pytest
from deleted_topics import P0, fetching_of, make_again, read_offsets
from virtual_time import in_virtual_time

from bridge.kafka.consumer.client.fetching import Expired
from bridge.kafka.consumer.consumption import Consumption, Flow
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.topic_identity import ABSENT
from bridge.runtime.deadline import Deadline


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
    client, fetching = fetching_of(P0)
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

    def given_away(self):
        """Nothing is kept here."""


class _Open:
    room, is_shut = 1_000, False

    def admitted(self, partitions):
        return partitions

    def shut(self):
        """As the real one."""

    reopen = shut


def _consuming():
    client, fetching = fetching_of(P0)
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
@in_virtual_time
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
    make_again(scene.client, P0, records)
    await scene.consumption.offsets([P0])
    assert scene.told == [Expired(P0, 12, 15)], "what was read may get its verdict yet"
    await _taken(scene)
    scene.busy.answers = [(first, finished)]
    await scene.consumption.revoked()
    assert scene.told[1:] == [Expired(P0, 6 if finished == 6 else 0, 12)]
    assert scene.ledger.events == 0


@in_virtual_time
async def test_a_log_that_is_found_gone_in_the_last_moment_is_told_too():
    """The client's side knows of it, and no round has told the worker: after the assignment nobody would."""
    scene = _consuming()
    scene.client.logs[P0].append(6)
    await _taken(scene)
    await scene.consumption.offsets([P0])
    make_again(scene.client, P0, 0)
    await scene.fetching.survey([P0])
    assert scene.told == []
    await scene.consumption.revoked()
    assert scene.told == [Expired(P0, 0, 6)]


@in_virtual_time
async def test_what_was_under_way_of_a_log_that_is_gone_and_is_finished_is_not_told():
    """Also where the new log's records are under way when the assignment ends: those are read again."""
    scene = _consuming()
    scene.client.logs[P0].append(6)
    [first] = await _taken(scene)
    await scene.consumption.offsets([P0])
    make_again(scene.client, P0, 5)
    await scene.consumption.offsets([P0])
    [anew] = await _taken(scene)
    scene.busy.answers = [(first, 6), (anew, 3)]
    await scene.consumption.revoked()
    assert scene.told == []


@in_virtual_time
async def test_once_the_next_log_has_progressed_nothing_is_left_to_tell():
    """Its offsets pass those of the one before; and an assignment under which no log has gone tells nothing."""
    scene = _consuming()
    scene.client.logs[P0].append(9)
    [first] = await _taken(scene)
    await scene.consumption.offsets([P0])
    make_again(scene.client, P0, 2)
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
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    assert await read_offsets(fetching, 4) == [0, 1, 2, 3]
    await fetching.survey([P0])
    make_again(client, P0, 30)
    assert await read_offsets(fetching) == list(range(4, 30))
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 4, 10)]
    assert [(gone.begun, gone.upto) for gone in fetching.gone] == [(0, 4)]
    assert await read_offsets(fetching) == list(range(30))


@pytest.mark.parametrize(("identity", "lost_from"), [(b"second", 4), (None, 4), (b"first", 8)])
async def test_what_is_finished_of_the_new_log_before_it_was_noticed_counts_for_none_of_the_old(identity, lost_from):
    """It would be lost in silence; what finished while the topic was certainly the known one is the old log's, and delivered."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching, 4)
    await fetching.survey([P0])
    assert await read_offsets(fetching, 4) == [4, 5, 6, 7]
    client.identity = identity
    await fetching.store(1, {P0: 8}, {})
    make_again(client, P0, 30)
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, lost_from, 10)]


async def test_without_a_certain_look_of_this_assignment_nothing_finished_counts_for_the_old_log():
    """Which topic it was is known of the assignment before: all is told that nobody had finished by then, from the first record on."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await fetching.survey([P0])
    client.assign()
    fetching.assigned()
    await read_offsets(fetching, 8)
    client.identity = None
    await fetching.store(2, {P0: 8}, {})
    make_again(client, P0, 30)
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 0, 10)]


@pytest.mark.parametrize("surveyed", [False, True])
async def test_what_another_assignment_had_under_way_is_told_although_the_new_log_was_read_since(surveyed):
    """It went without a verdict; and what this assignment has read is of the log that is there now."""
    client, fetching = fetching_of(P0)
    client.logs[P0].append(10)
    await read_offsets(fetching, 8)
    await fetching.survey([P0])
    await fetching.store(1, {P0: 3}, {})
    make_again(client, P0, 30, position=0)
    client.assign()
    fetching.assigned()
    if surveyed:
        client.identity = None
        await fetching.survey([P0])
        client.identity = b"second"
    assert await read_offsets(fetching, 7) == list(range(7))
    await fetching.survey([P0])
    assert list(fetching.expired) == [Expired(P0, 3, 10)]
    assert not fetching.gone
    assert await read_offsets(fetching) == list(range(30))


@in_virtual_time
async def test_both_logs_that_went_within_one_assignment_are_told_when_it_ends():
    """Nothing of either had a verdict, and nobody finds it again."""
    scene = _consuming()
    scene.client.logs[P0].append(6)
    await _taken(scene)
    await scene.consumption.offsets([P0])
    make_again(scene.client, P0, 9)
    await scene.consumption.offsets([P0])
    await _taken(scene)
    await scene.consumption.offsets([P0])
    make_again(scene.client, P0, 0, identity=b"third")
    await scene.consumption.offsets([P0])
    assert scene.told == []
    await scene.consumption.revoked()
    assert scene.told == [Expired(P0, 0, 6), Expired(P0, 0, 9)]
