"""The ledger under any interleaving of what can happen to a worker."""

from types import SimpleNamespace

from examples import examples
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.kafka.consumer.ledger import Ledger

PARTITIONS = [("t", 0), ("t", 1)]


class LedgerMachine(RuleBasedStateMachine):
    """A broker with two partitions (offsets with gaps, records of 0 to 3 events) and a worker that may do anything."""

    @initialize(
        logs=st.lists(
            st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=4, max_size=14), min_size=2, max_size=2
        )
    )
    def start(self, logs):
        """A log for each partition, and a first worker."""
        self.logs = {}
        for partition, steps in zip(PARTITIONS, logs, strict=True):
            offset, records = -1, []
            for gap, events in steps:
                offset += gap
                records.append((offset, events))
            self.logs[partition] = records
        self.done = {p: {offset: 0 for offset, _ in log} for p, log in self.logs.items()}
        self.stored = dict.fromkeys(PARTITIONS)
        self.generation = 0
        self.stale = []
        self.crash()

    def _begin(self, partitions):
        self.generation += 1
        self.ledger.open(self.generation, {p: self.stored[p] for p in partitions})
        self.owned = set(partitions)
        self.position = {p: self.stored[p] or 0 for p in partitions}

    @rule()
    def crash(self):
        """By kill -9: all memory is gone, a new worker starts from what the broker stored."""
        self.ledger = Ledger()
        self.open, self.stale = [], []
        self._begin(PARTITIONS)

    @rule(mask=st.sets(st.sampled_from(PARTITIONS)), revoke_first=st.booleans())
    def rebalance(self, mask, revoke_first):
        """An assignment ends and another begins."""
        if revoke_first:
            self.ledger.close(self.owned)
        self.stale += self.open
        self.open = []
        self._begin(sorted(mask))

    @rule(data=st.data(), size=st.integers(1, 5))
    def fetch(self, data, size):
        """The next run of records of one partition."""
        if not self.owned:
            return
        partition = data.draw(st.sampled_from(sorted(self.owned)))
        run = [r for r in self.logs[partition] if r[0] >= self.position[partition]][:size]
        if not run:
            return
        records = [SimpleNamespace(timestamp=0) for _ in run]
        chunk = self.ledger.register_chunk(
            partition,
            self.generation,
            records,
            10,
            first=run[0][0],
            last=run[-1][0],
            since=self.position[partition],
        )
        assert chunk is not None
        self.position[partition] = run[-1][0] + 1
        events = [offset for offset, count in run for _ in range(count)]
        self.open.append((chunk, run, events, [False]))

    @precondition(lambda self: bool(self.owned))
    @rule(data=st.data())
    def rewind(self, data):
        """A seek back to the committed offset, as a client may do: chunks are fetched twice."""
        partition = data.draw(st.sampled_from(sorted(self.owned)))
        self.position[partition] = self.stored[partition] or 0

    @rule(data=st.data())
    def resolve(self, data):
        """One event accepted or dead-lettered, of this assignment or of one that is over."""
        pool = self.open + self.stale
        if not pool:
            return
        chunk, _, events, admitted = data.draw(st.sampled_from(pool))
        if not admitted[0]:
            self.ledger.admit(chunk, len(events))
            admitted[0] = True
            return
        if events:
            offset = events.pop(data.draw(st.integers(0, len(events) - 1)))
            # Delivered is delivered, whoever owns the partition now.
            self.done[chunk.partition][offset] += 1
            assert self.ledger.resolve(chunk) == (not chunk.closed)

    @rule(data=st.data())
    def finish(self, data):
        """Everything of one chunk at once, whichever: a quick answer overtakes slow ones."""
        pool = self.open + self.stale
        if not pool:
            return
        chunk, _, events, admitted = data.draw(st.sampled_from(pool))
        if not admitted[0]:
            self.ledger.admit(chunk, len(events))
            admitted[0] = True
        if events:
            for offset in events:
                self.done[chunk.partition][offset] += 1
            assert self.ledger.resolve(chunk, len(events)) == (not chunk.closed)
            events.clear()

    @rule(fails=st.booleans())
    def commit(self, fails):
        """A commit that the broker stores, or not."""
        offsets = self.ledger.committable()
        if not fails:
            self.stored.update(offsets)
            self.ledger.confirm(self.generation, offsets)
            assert not self.ledger.committable()
        else:
            assert self.ledger.committable() == offsets

    @rule()
    def late_confirmation(self):
        """A confirmation that belongs to an older assignment changes nothing."""
        before = self.ledger.committed()
        self.ledger.confirm(self.generation - 1, dict.fromkeys(self.owned, 10_000))
        assert self.ledger.committed() == before

    @invariant()
    def nothing_open_is_passed(self):
        """Whatever may be committed now lies behind events that are all resolved at least once."""
        for partition, offset in {**self.stored, **self.ledger.committable()}.items():
            for at, count in self.logs[partition]:
                if offset is not None and at < offset:
                    assert self.done[partition][at] >= count

    @invariant()
    def totals_are_those_of_the_open_chunks(self):
        """The bounds of the flow are counted exactly."""
        assert self.ledger.events == sum(chunk.unresolved for chunk, *_ in self.open)
        assert self.ledger.weight == sum(chunk.weight for chunk, *_ in self.open if chunk.unresolved)
        assert self.ledger.queued == sum(not chunk.admitted for chunk, *_ in self.open)

    def teardown(self):
        """Left alone, a worker finishes and commits everything."""
        if not hasattr(self, "ledger"):
            return
        self.crash()
        for partition, log in self.logs.items():
            run = [r for r in log if r[0] >= (self.stored[partition] or 0)]
            since = self.stored[partition] or 0
            for at, count in run:
                chunk = self.ledger.register_chunk(
                    partition, self.generation, [SimpleNamespace(timestamp=0)], 1, first=at, last=at, since=since
                )
                since = at + 1
                self.ledger.admit(chunk, count)
                if count:
                    self.ledger.resolve(chunk, count)
            self.done[partition] = {at: max(self.done[partition][at], count) for at, count in log}
        offsets = self.ledger.committable()
        for partition, log in self.logs.items():
            if log:
                assert offsets.get(partition, self.stored[partition]) == log[-1][0] + 1
        assert self.ledger.events == self.ledger.weight == 0
        assert not self.ledger.left()
        assert all(self.ledger.span(p) == 0 for p in PARTITIONS)


LedgerMachine.TestCase.settings = settings(max_examples=examples(120), stateful_step_count=60, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase
