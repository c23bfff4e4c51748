"""What a worker remembers of records that end processes: the guilty is found after few deaths, and no innocent is ever given up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.pipeline.restart_memory import DEATHS, PartitionMemory, Remembered


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
