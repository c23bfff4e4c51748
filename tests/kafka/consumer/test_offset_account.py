"""The account of offsets across rebalances and cuts, where an answer may come late or a position be unknown."""

import asyncio
from types import SimpleNamespace

from bridge.kafka.consumer.client.kafka_client import Offsets
from bridge.kafka.consumer.client.offset_account import Expired, Gone, OffsetAccount
from bridge.kafka.topic_identity import ABSENT

P0 = ("t", 0)


class _Stage:
    """One partition; ``committed`` is what the group answers, and ``meanwhile`` runs before it does."""

    def __init__(self, position=0):
        self.at, self.committed, self.first, self.number = position, {P0: None}, {P0: 0}, 1
        self.meanwhile = lambda: None
        self.client = SimpleNamespace(
            position=lambda _partition: self.at,
            committed=self._committed,
            first_offsets=self._first_offsets,
            topic_identity=self._topic_identity,
            commit=self._commit,
        )
        self.commits, self.identity, self.asked = [], None, []
        self.while_identified = lambda: None
        self.begun_anew = []
        self.account = OffsetAccount(self.client, lambda: self.number, self.begun_anew.append)

    async def _committed(self, _partitions):
        self.meanwhile()
        return self.committed

    async def _commit(self, offsets, _notes):
        self.meanwhile()
        self.commits.append(offsets)

    async def _first_offsets(self, _partitions):
        return self.first

    async def _topic_identity(self, topic):
        self.asked.append(topic)
        self.while_identified()
        return self.identity

    def rebalance(self):
        self.number += 1
        self.account.clear()


async def test_what_the_group_had_committed_for_another_assignment_begins_none():
    """The answer comes after the rebalance: where this one begins is asked by itself."""
    stage = _Stage(position=1)
    stage.committed, stage.meanwhile = {P0: 1}, stage.rebalance
    await stage.account.reconcile([P0])
    assert stage.account.next == {}
    stage.committed, stage.at, stage.meanwhile = {P0: 3}, 3, lambda: None
    await stage.account.reconcile([P0])
    assert stage.account.next == {P0: 3}


async def test_what_is_not_known_is_no_gap():
    """A position that is being looked for, or a partition that has not begun."""
    stage = _Stage(position=4)
    assert stage.account.gap(P0) == 0
    await stage.account.reconcile([P0])
    stage.at = None
    assert stage.account.gap(P0) == 0
    stage.at = 7
    assert stage.account.gap(P0) == 3


async def test_what_is_committed_to_the_end_waits_for_nothing():
    """And a commit behind the end is of a log that is gone: then all that is there waits."""
    stage = _Stage()
    await stage.account.reconcile([P0])
    for committed, waiting in ((10, 0), (9, 1), (None, 10), (11, 10)):
        assert stage.account.waiting(P0, Offsets(0, committed, 10, 10)) == waiting


async def test_a_log_that_was_cut_is_begun_anew_whoever_looks_first():
    """A survey finds the position gone back, explains nothing of it, and leaves it to the next fetch."""
    stage = _Stage(position=5)
    await stage.account.reconcile([P0])
    stage.at = 0
    stage.account.explain(P0, 0)
    assert (stage.account.next, stage.account.anew, list(stage.account.expired)) == ({P0: 5}, {}, [])
    await stage.account.reconcile([P0])
    assert (stage.account.next, stage.account.anew) == ({P0: 0}, {P0: 1})
    stage.rebalance()
    assert stage.account.anew == {}, "the next assignment begins where the group has committed"


async def test_losses_between_others_are_told_piece_by_piece():
    """What was told before, for an assignment that is over, is left out wherever it lies."""
    stage = _Stage(position=0)
    await stage.account.reconcile([P0])
    for start, end in ((0, 2), (4, 6)):
        stage.rebalance()
        await stage.account.begin({P0: start})
        stage.at = end
        stage.account.explain(P0, end)
    stage.account.expired.clear()
    stage.rebalance()
    await stage.account.begin({P0: 1})
    stage.at = 9
    stage.account.explain(P0, 9)
    assert list(stage.account.expired) == [Expired(P0, 2, 4), Expired(P0, 6, 9)]


async def test_a_beginning_that_is_stored_across_a_rebalance_begins_nothing():
    """The commit is answered when the assignment is over: the next one asks by itself, and stores nothing where there is something."""
    stage = _Stage(position=4)
    stage.meanwhile = stage.rebalance
    await stage.account.begin({P0: None})
    assert (stage.account.next, stage.commits) == ({}, [{P0: 4}])
    stage.committed, stage.meanwhile = {P0: 4}, lambda: None
    await stage.account.reconcile([P0])
    assert (stage.account.next, stage.commits) == ({P0: 4}, [{P0: 4}])


async def test_a_position_that_is_not_known_yet_is_not_stored():
    """The client still looks for the first record: nothing begins, and nothing is committed."""
    stage = _Stage(position=None)
    await stage.account.begin({P0: None})
    assert (stage.account.next, stage.commits) == ({}, [])


async def test_who_waits_for_another_to_begin_begins_nothing_after_a_rebalance():
    """A survey waits while the fetch stores where to begin; the assignment is another one when its turn comes."""
    stage = _Stage(position=4)
    storing, stored = asyncio.Event(), asyncio.Event()

    async def commit(offsets, _notes):
        stage.commits.append(offsets)
        storing.set()
        await stored.wait()

    stage.client.commit = commit
    fetch = asyncio.create_task(stage.account.begin({P0: None}))
    await storing.wait()
    survey = asyncio.create_task(stage.account.begin({P0: 3}))
    await asyncio.sleep(0)
    stage.rebalance()
    stored.set()
    await asyncio.gather(fetch, survey)
    assert (stage.account.next, stage.commits) == ({}, [{P0: 4}])


async def test_what_was_deleted_before_the_first_fetch_is_told_by_it():
    """The client stands behind what the group had committed already when the account begins: one look is enough."""
    stage = _Stage(position=7)
    stage.committed, stage.first = {P0: 3}, {P0: 7}
    await stage.account.reconcile([P0])
    assert list(stage.account.expired) == [Expired(P0, 3, 7)]
    assert stage.account.next == {P0: 7}


async def test_a_log_that_was_cut_is_not_begun_anew_across_a_rebalance():
    """Where it begins is stored when the assignment is over: the next owner is told, and this one has moved nothing."""
    stage = _Stage(position=5)
    await stage.account.reconcile([P0])
    assert stage.account.logs_begun == 0
    stage.at, stage.meanwhile = 0, lambda: setattr(stage, "number", 2)
    await stage.account.reconcile([P0])
    assert (stage.account.next, stage.account.anew, stage.account.logs_begun) == ({P0: 5}, {}, 0)
    stage.meanwhile = lambda: None
    await stage.account.reconcile([P0])
    assert (stage.account.next, stage.account.anew, stage.account.logs_begun) == ({P0: 0}, {P0: 1}, 1)


async def _seen(stage, offsets, *, partition=P0):
    stage.account.seen({"t": b"first"}, {partition: offsets}, {})
    await stage.account.look_for_deleted({"t": ABSENT}, ())
    return list(stage.account.expired)


async def test_what_is_committed_to_the_end_goes_with_its_topic_and_is_no_loss():
    """Everything was acknowledged; one that is committed behind its end is of a log before, and counts from where it began."""
    for committed, lost in (
        (10, []),
        (9, [Expired(P0, 9, 10)]),
        (11, [Expired(P0, 2, 10)]),
        (None, [Expired(P0, 2, 10)]),
    ):
        stage = _Stage()
        await stage.account.begin({P0: 2})
        assert await _seen(stage, Offsets(0, committed, 10, 10)) == lost


async def test_a_log_that_has_not_begun_with_this_assignment_is_not_remembered():
    """Where it begins is not known: what would be told as lost may be another worker's, and delivered."""
    stage = _Stage()
    assert await _seen(stage, Offsets(0, 3, 10, 10)) == []
    await stage.account.begin({P0: 2})
    stage.rebalance()
    assert await _seen(stage, Offsets(0, 3, 10, 10)) == []


async def test_a_topic_made_again_is_not_begun_across_a_rebalance():
    """The client reads for another assignment by then: to seek would pass over what that one has to read."""
    stage, sought = _Stage(position=5), []
    stage.client.seek = lambda partition, offset: sought.append((partition, offset))
    await stage.account.reconcile([P0])
    stage.account.seen({"t": b"first"}, {P0: Offsets(0, 5, 10, 5)}, {P0: 5})
    stage.meanwhile = lambda: setattr(stage, "number", 2)
    await stage.account.look_for_deleted({"t": b"second"}, [P0])
    assert (sought, stage.account.next, list(stage.account.expired)) == ([], {P0: 5}, [])
    stage.meanwhile = lambda: None
    await stage.account.look_for_deleted({"t": b"second"}, [P0])
    assert (sought, stage.account.next) == ([(P0, 0)], {P0: 0})


async def test_how_far_a_log_was_read_is_forgotten_with_it():
    """The next one of its name may go too before anything of it is read: what was read of the first is not told once more."""
    stage = _Stage(position=5)
    stage.client.seek = lambda _partition, _offset: None
    await stage.account.reconcile([P0])
    stage.account.seen({"t": b"first"}, {P0: Offsets(0, 5, 10, 5)}, {P0: 5})
    await stage.account.look_for_deleted({"t": b"second"}, [P0])
    assert list(stage.account.gone) == [Gone(P0, 1, 0, 5, 5)]
    stage.account.expired.clear()
    stage.account.seen({"t": b"second"}, {P0: Offsets(0, 0, 4, 0)}, {})
    await stage.account.look_for_deleted({"t": b"third"}, [P0])
    assert list(stage.account.gone) == [Gone(P0, 1, 0, 5, 5)]
    assert list(stage.account.expired) == [Expired(P0, 0, 4)], "all that it had, from its first record on"


async def _read_to(stage, offset):
    """Begun at 0, and everything before ``offset`` handed on."""
    await stage.account.begin({P0: 0})
    stage.account.next[P0] = stage.at = offset


async def test_only_where_the_client_went_back_is_asked_which_topic_it_is():
    """By its name, and once; while it reads on as expected nobody is asked."""
    stage = _Stage()
    await _read_to(stage, 10)
    await stage.account.reconcile([P0])
    assert stage.asked == []
    stage.at = 9
    await stage.account.reconcile([P0])
    assert stage.asked == ["t"]
    assert stage.account.next == {P0: 9}


async def test_a_client_that_is_back_where_it_was_meanwhile_has_lost_nothing():
    """While the topic is asked for, or while the beginning is stored."""
    stage = _Stage()
    await _read_to(stage, 10)

    def back():
        stage.at = 10

    stage.at, stage.while_identified = 4, back
    await stage.account.reconcile([P0])
    assert stage.commits == []
    stage.at, stage.while_identified, stage.meanwhile = 4, lambda: None, back
    await stage.account.reconcile([P0])
    assert stage.account.anew == {}
    assert stage.account.next == {P0: 10}


async def test_the_numbers_of_logs_begin_anew_with_each_assignment():
    """The log that an assignment begins with is number 0, whatever the assignment before has seen."""
    stage = _Stage()
    for _ in range(2):
        await _read_to(stage, 10)
        stage.at = 4
        await stage.account.reconcile([P0])
        stage.rebalance()
    assert [gone.log for gone in stage.account.gone] == [0, 0]
