"""What a worker remembers of records that end processes: the guilty is found after few deaths, and no innocent is ever given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.worker.restart_memory.memory import DEATHS, PartitionMemory, Remembered


class Partition:
    """One partition of ``size`` records, processes that map it, and what they store. ``guilty`` offsets end whoever maps them."""

    def __init__(self, size: int, guilty: frozenset[int]) -> None:
        self.size, self.guilty = size, guilty
        self.stored = Remembered()
        self.committed = 0
        self.deaths = 0
        self.given_up: set[int] = set()

    def process(self, run: int, killed_after: int | None = None) -> bool:
        """Work until everything is committed, something guilty is mapped, or so many steps are done; whether all was done."""
        memory = PartitionMemory(self.committed, Remembered.from_bytes(self.stored.to_bytes()))
        steps = 0
        at = self.committed
        while at < self.size:
            chunk = range(at, min(at + run, self.size))
            for offset in chunk:
                if memory.is_suspect(offset):
                    self.stored = memory.trying(offset)
                    steps += 1
                    if steps == killed_after:
                        return False
                    if offset in self.guilty:
                        self.deaths += 1
                        return False
                    memory.passed(offset)
            self.stored = memory.mapping(chunk[0], chunk[-1])
            steps += 1
            if steps == killed_after:
                return False
            if any(offset in self.guilty and offset not in memory.hung for offset in chunk):
                self.deaths += 1
                return False
            self.given_up |= memory.hung & set(chunk)
            self.stored = memory.settled()
            self.committed = at = chunk[-1] + 1
        return True


@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=4), st.integers(1, 20))
def test_every_guilty_record_is_given_up_and_nothing_else(size: int, guilty: set[int], run: int) -> None:
    """Each costs one process for its run and two alone; with nobody else's kills all others are mapped."""
    partition = Partition(size, frozenset(offset for offset in guilty if offset < size))
    for _ in range((1 + DEATHS) * len(guilty) + 1):
        if partition.process(run):
            break
    assert partition.committed == size
    assert partition.given_up == partition.guilty
    assert partition.deaths <= (1 + DEATHS) * len(partition.guilty)


class Kills(RuleBasedStateMachine):
    """Processes with runs of any length, killed by somebody at any step."""

    @initialize(guilty=st.sets(st.integers(0, 29), max_size=2))
    def begin(self, guilty: set[int]) -> None:
        """A fresh partition."""
        self.partition = Partition(30, frozenset(guilty))
        self.alone: dict[int, int] = {}

    @rule(run=st.integers(1, 12), steps=st.integers(1, 40))
    def killed(self, run: int, steps: int) -> None:
        """Somebody kills the process after so many steps."""
        self.partition.process(run, steps)
        stored = self.partition.stored
        if stored.alone is not None:
            self.alone[stored.alone] = self.alone.get(stored.alone, 0) + 1

    @rule(run=st.integers(1, 12))
    def left_alone(self, run: int) -> None:
        """Nobody kills it."""
        self.partition.process(run)
        stored = self.partition.stored
        if stored.alone is not None:
            self.alone[stored.alone] = self.alone.get(stored.alone, 0) + 1

    @invariant()
    def only_what_was_tried_alone_at_two_ends_is_given_up(self) -> None:
        """However often anybody kills: it has to hit the same record, alone, twice."""
        if hasattr(self, "partition"):
            for offset in self.partition.given_up:
                assert self.alone.get(offset, 0) >= DEATHS

    def teardown(self) -> None:
        """Left alone, everything is mapped or given up in the end."""
        if hasattr(self, "partition"):
            for _ in range(10):
                if self.partition.process(5):
                    break
            assert self.partition.committed == 30
            assert self.partition.guilty <= self.partition.given_up


TestKills = Kills.TestCase


@given(st.binary(max_size=60) | st.none())
def test_anything_stored_is_read(stored: bytes | None) -> None:
    """What somebody else wrote under our key is taken for nothing."""
    read = Remembered.from_bytes(stored)
    assert Remembered.from_bytes(read.to_bytes()) == read


def test_what_is_committed_is_forgotten() -> None:
    """Suspects and records given up before the place where reading begins are none any more."""
    memory = PartitionMemory(100, Remembered(10, 99, 50, 1, (40, 120)))
    assert (memory.suspects, memory.hung) == (None, {120})
    assert PartitionMemory(60, Remembered(10, 99, 50, 1)).suspects == (60, 99)


def test_a_clean_handover_counts_no_death() -> None:
    """A process that ends in order between two trials leaves the suspects as they are."""
    memory = PartitionMemory(0, Remembered(5, 9, 5, 0))
    assert memory.is_suspect(5)
    again = PartitionMemory(0, memory.settled())
    assert again.is_suspect(5)
    assert not again.hung
    third = PartitionMemory(0, again.trying(5))
    assert third.hung == {5}


def test_suspects_are_settled_one_after_the_other() -> None:
    """Each that was mapped alone leaves the run, the others stay in it; the last one ends it."""
    memory = PartitionMemory(0, Remembered(5, 7, busy=True))
    for offset in (5, 6, 7):
        assert [each for each in range(10) if memory.is_suspect(each)] == list(range(offset, 8))
        assert memory.trying(offset) == Remembered(offset, 7, offset, 0, busy=True)
        assert memory.settled() == Remembered(offset, 7, busy=True)
        memory.passed(offset)
    assert not any(map(memory.is_suspect, range(10)))
    assert memory.settled() == Remembered(busy=True)
    assert memory.settled(busy=False) == Remembered()
    assert memory.mapping(8, 9) == Remembered(8, 9, busy=True)


def test_deaths_count_for_the_record_that_was_tried_alone() -> None:
    """One is carried on while the record is tried, and not where it only waits; it ends with the record's passing."""
    memory = PartitionMemory(5, Remembered(5, 9, 5, 0, busy=True))
    assert memory.trying(5) == Remembered(5, 9, 5, 1, busy=True)
    assert memory.settled() == Remembered(5, 9, 5, 0, busy=True)
    assert memory.trying(6).deaths == 0
    hung = PartitionMemory(5, memory.trying(5))
    assert (hung.hung, hung.is_suspect(5), hung.is_suspect(6)) == ({5}, False, True)
    assert hung.mapping(5, 9) == Remembered(5, 9, hung=(5,), busy=True)
    for offset in range(5, 10):
        memory.passed(offset)
        assert memory.settled().alone is None
    assert memory.settled() == Remembered(busy=True)


@pytest.mark.parametrize(
    ("position", "suspects", "hung"),
    [(5, (5, 9), {5, 7}), (6, (6, 9), {7}), (8, (8, 9), set()), (9, (9, 9), set()), (10, None, set())],
)
def test_only_what_is_still_to_be_read_counts(position, suspects, hung) -> None:
    """The committed offset cuts the run, the record that was tried, and what was given up."""
    memory = PartitionMemory(position, Remembered(3, 9, 5, 1, (4, 7)))
    assert (memory.suspects, memory.hung) == (suspects, hung)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (b"{}", Remembered()),
        (b'{"first":0,"last":0,"alone":0}', Remembered(0, 0, 0)),
        (b'{"first":-1,"last":true,"alone":1.0,"deaths":"2"}', Remembered()),
        (b'{"hung":[1,"x",-2,3]}', Remembered(hung=(1, 3))),
        (b'{"busy":1}', Remembered()),
        (b'{"hung":[1],"times":[[1,5],["x",2],[3,null]]}', Remembered(hung=(1,), times=((1, 5),))),
        (b'{"hung":[1],"times":[[1,5,7]]}', Remembered()),
        (b'{"hung":[1],"times":7}', Remembered()),
        (b'{"busy":true,"deaths":1}', Remembered(deaths=1, busy=True)),
        (b"[1]", Remembered()),
        (b'{"hung":1}', Remembered()),
    ],
)
def test_only_offsets_are_read_as_such(stored, read) -> None:
    """Whole numbers from 0 on; what is missing or of another kind is nothing."""
    assert Remembered.from_bytes(stored) == read
    assert (read.deaths, read.busy) == (b'"deaths":1' in stored, b"true," in stored and b"last" not in stored)


@pytest.mark.parametrize("half", [Remembered(first=5), Remembered(last=5)])
def test_half_a_run_is_none(half) -> None:
    """Somebody else's value names only one end: nothing is suspect, and nothing breaks."""
    assert PartitionMemory(0, half).suspects is None


def test_deaths_of_another_record_are_forgotten() -> None:
    """The topic was made again: what is there now has ended no process, and is known by its own time."""
    memory = PartitionMemory(0, Remembered(5, 9, 5, 0, times=((5, 1_005),)))
    assert memory.trying(5).deaths == 1
    assert memory.meets(5, 2_000) is False
    assert memory.trying(5) == Remembered(5, 9, 5, 0, busy=True, times=((5, 2_000),))


def test_what_was_given_up_gets_its_time_when_it_is_met() -> None:
    """An earlier version stored none: from then on it is told from another record in its place."""
    memory = PartitionMemory(0, Remembered(hung=(5,)))
    assert memory.meets(5, 1_005) is True
    assert memory.settled() == Remembered(hung=(5,), busy=True, times=((5, 1_005),))
    assert memory.meets(5, 2_000) is False
    assert memory.hung == set()


def test_nothing_is_remembered_of_a_record_that_is_none_of_the_suspects() -> None:
    """Whatever is met there later is the same for all that is known; so it is once a suspect has passed."""
    memory = PartitionMemory(0, Remembered(5, 9))
    assert memory.meets(5, 1_005)
    memory.passed(5)
    assert [memory.meets(offset, time) for offset in (5, 12) for time in (2_000, 3_000)] == [True] * 4
