"""When a worker process that ended is started again, and when its group gives up."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bridge.model.backoff import Backoff
from bridge.worker.processes.restarts import Restarts


class _Most(Random):
    """Jitter at its longest."""

    def uniform(self, _a: float, b: float) -> float:
        return b


def restarts() -> Restarts:
    """Two attempts are let pass, delays are 0.5, 1, 2, … seconds."""
    return Restarts(Backoff(_Most()))


def test_starts_that_fail_again_and_again_end_the_group() -> None:
    """Nobody has ever joined: the third failed start in a row of one process is the last."""
    group = restarts()
    assert [group.ended(0, 1.0), group.ended(1, 1.0), group.ended(0, 2.0)] == [0.5, 0.5, 1.0]
    assert group.ended(0, 3.0) is None


def test_one_that_cannot_start_beside_one_that_works_is_tried_for_ever() -> None:
    """What works is not given up for it; its starts move apart up to half a minute."""
    group = restarts()
    group.joined(1, 0.0)
    delays = [group.ended(0, float(turn)) for turn in range(1, 12)]
    assert delays[:3] == [0.5, 1.0, 2.0]
    assert delays[-1] == 30.0


def test_a_process_that_was_sound_starts_at_once_again() -> None:
    """A minute in the group makes the next failure a first one; less does not."""
    group = restarts()
    for turn in range(3):
        group.joined(0, turn * 100.0)
        assert group.ended(0, turn * 100.0 + 60) == 0.5
    group.joined(0, 1_000.0)
    assert group.ended(0, 1_001.0) == 1.0


def test_having_joined_once_forgives_failed_starts() -> None:
    """Two failed starts, one that joins and dies, two more that fail: still tried."""
    group = restarts()
    group.ended(0, 0.0)
    group.ended(0, 1.0)
    group.joined(0, 2.0)
    assert group.ended(0, 3.0) is not None
    assert group.ended(0, 4.0) is not None
    assert group.ended(0, 5.0) is not None
    assert group.ended(0, 6.0) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 100)), max_size=60))
def test_it_gives_up_only_with_nobody_joined(steps: list[tuple[int, bool, float]]) -> None:
    """Whatever happens in which order: delays are within bounds, and giving up means that no process is in the group."""
    group, now, members = restarts(), 0.0, set()
    for number, joins, later in steps:
        now += later
        if joins:
            group.joined(number, now)
            members.add(number)
            continue
        delay = group.ended(number, now)
        members.discard(number)
        if delay is None:
            assert not members
            return
        assert 0.0 < delay <= 30.0
