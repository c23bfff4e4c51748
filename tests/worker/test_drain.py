"""The drain: one budget for finishing and for the commit after it."""

import asyncio
from types import SimpleNamespace

import pytest

from bridge.runtime.deadline import Deadline, StopBudget
from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.drain import Drain


class _Work:
    """A ledger, a delivery and dead letters whose events are done at a given time."""

    def __init__(self, done_at, *, blocked=False, writable=True, only_postponed=False):
        self.clock = asyncio.get_running_loop().time
        self.done_at, self.blocked, self.writable, self.only_postponed = done_at, blocked, writable, only_postponed
        self.flushing = None

    @property
    def events(self):
        """What is not finished."""
        return int(self.clock() < self.done_at)

    def flush(self):
        """Send at once."""
        self.flushing = True

    def linger(self):
        """Let requests fill again."""
        self.flushing = False


def _run(work):
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()


def _drain(work, budget=20.0, revoke=20.0):
    letters = SimpleNamespace(writable=work.writable)
    return Drain(work, work, letters, work.clock, StopBudget(budget), StopBudget(revoke))


def _until_commit(at):
    """The deadline of a stop whose drain ends at ``at``: two seconds belong to the commit."""
    return Deadline(asyncio.get_running_loop().time, at + 2)


@pytest.mark.parametrize(("takes", "budget", "waited"), [(3, 20, 3), (60, 20, 18), (60, 4, 3)])
def test_a_revoke_leaves_part_of_its_budget_for_the_commit(takes, budget, waited):
    """It ends when all is finished, or early enough to commit what is: waiting and commit together keep the budget."""

    async def main():
        began = asyncio.get_running_loop().time()
        work = _Work(began + takes)
        left = (await _drain(work, revoke=float(budget)).for_revoke()).left
        passed = asyncio.get_running_loop().time() - began
        assert passed == pytest.approx(waited, abs=0.1)
        assert passed + left == pytest.approx(budget)
        assert work.flushing is False

    _run(main)


@pytest.mark.parametrize("state", [{"blocked": True}, {"writable": False}, {"only_postponed": True}])
def test_a_revoke_does_not_wait_for_what_is_away(state):
    """AEP or the dead-letter topic away, or all that is left postponed: the partitions are given up at once, the budget is left."""

    async def main():
        assert (await _drain(_Work(1e9, **state)).for_revoke()).left == 20.0

    _run(main)


def test_a_stop_waits_a_little_for_a_destination_that_is_away_and_all_its_budget_otherwise():
    """Told to stop: three seconds for one that is away, the deadline for one that is slow; the answer says what is left."""

    async def main():
        loop = asyncio.get_running_loop()
        for state, takes, waited, finished in (
            ({"blocked": True}, 60, 3, False),
            ({"only_postponed": True}, 60, 3, False),
            ({}, 60, 15, False),
            ({}, 5, 5, True),
        ):
            began = loop.time()
            assert await _drain(_Work(began + takes, **state)).for_stop(_until_commit(began + 15)) is finished
            assert loop.time() - began == pytest.approx(waited, abs=0.1)

    _run(main)


def test_an_outage_that_ends_while_the_worker_stops_begins_the_patience_anew():
    """Three seconds are in a row: one that comes back after two is waited for as long as the budget allows."""

    async def main():
        loop = asyncio.get_running_loop()
        work = _Work(loop.time() + 60, blocked=True)
        loop.call_later(2, setattr, work, "blocked", False)
        loop.call_later(9, setattr, work, "blocked", True)
        began = loop.time()
        assert await _drain(work).for_stop(_until_commit(began + 15)) is False
        assert loop.time() - began == pytest.approx(12, abs=0.1)

    _run(main)


def test_dead_letters_on_their_way_are_waited_for_beside_what_is_postponed():
    """Two events are left, delivery has one of them: the other is about to be stored, and is."""

    async def main():
        loop = asyncio.get_running_loop()
        began = loop.time()
        ledger = SimpleNamespace(events=2)
        delivery = SimpleNamespace(
            blocked=False, only_postponed=True, events=1, flush=lambda: None, linger=lambda: None
        )
        drain = Drain(ledger, delivery, SimpleNamespace(writable=True), loop.time, StopBudget(20.0), StopBudget(20.0))
        loop.call_later(2, setattr, ledger, "events", 1)
        assert (await drain.for_revoke()).left == pytest.approx(18, abs=0.1)
        assert loop.time() - began == pytest.approx(2, abs=0.1)

    _run(main)


def test_a_worker_that_stops_waits_for_no_revoke():
    """Leaving the group revokes its partitions: by then all has been waited for that was to be."""

    async def main():
        work = _Work(1e9)
        drain = _drain(work)
        drain.stopping = True
        began = asyncio.get_running_loop().time()
        assert (await drain.for_revoke()).left == pytest.approx(20)
        assert asyncio.get_running_loop().time() == began
        assert work.flushing is None, "nothing is sent any more on its account"

    _run(main)


def test_a_stop_is_remembered_and_lets_nothing_linger():
    """From its first moment on a revoke does not wait; what fills is sent at once, and stays so."""

    async def main():
        work = _Work(asyncio.get_running_loop().time() + 1)
        drain = _drain(work)
        assert await drain.for_stop(_until_commit(asyncio.get_running_loop().time() + 15)) is True
        assert drain.stopping
        assert work.flushing is True

    _run(main)


def test_a_deadline_that_has_passed_leaves_nothing_for_the_commit():
    """Never less than 0 seconds: the commit has a bound of its own."""

    async def main():
        work = _Work(1e9)
        drain = _drain(work, revoke=0.0)
        began = asyncio.get_running_loop().time()
        assert (await drain.for_revoke()).left == 0.0
        assert asyncio.get_running_loop().time() == began

    _run(main)


async def test_what_is_left_of_partitions_that_are_given_away_is_dropped():
    """Both of what waits to be delivered and of dead letters, which a destination or a topic that is away would keep for ever."""
    dropped = []
    work = SimpleNamespace(
        clock=lambda: 0.0,
        forget_gone=lambda: dropped.append("delivery"),
        forget_closed=lambda: dropped.append("letters"),
    )
    budget = StopBudget(20.0)
    Drain(work, work, work, work.clock, budget, budget).given_away()
    assert dropped == ["delivery", "letters"]
