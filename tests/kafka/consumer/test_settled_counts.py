"""What is counted beside the committed offsets: every event once, however often a process dies, a record comes again or an owner changes."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.consumer.client.offset_account import Expired
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.consumer.settled_counts import SettledCounts
from bridge.model.day_counts import DAY_MS, KEPT_DAYS, ChunkCounts, DayCounts, NotedOffset, OffsetNote

P0, P1 = ("t", 0), ("t", 1)
DAY = 20_000
NOON = (DAY * DAY_MS + DAY_MS // 2) / 1000


class _Group:
    """A group with one partition: what is stored with an offset, and a log of (day, outcome) by offset."""

    def __init__(self, log):
        self.log = log
        self.offset, self.note = 0, ""
        self.take()

    def take(self):
        """Another owner, who reads from the committed offset on."""
        self.ledger = Ledger()
        self.ledger.settled = SettledCounts(lambda: NOON)
        self.ledger.open(1, {P0: None})
        self.next = self.offset
        self.open = []

    def fetch(self, count):
        """One chunk, taken at once."""
        rows = self.log[self.next : self.next + count]
        if not rows:
            return
        first, self.next = self.next, self.next + len(rows)
        records = [SimpleNamespace(timestamp=day * DAY_MS, offset=first + at) for at, (day, _) in enumerate(rows)]
        chunk = self.ledger.register_chunk(P0, 1, records, 1, first=first, last=self.next - 1)
        chunk.counts = ChunkCounts()
        for at, (day, outcome) in enumerate(rows):
            chunk.counts.of(day).delivered += 1
            if outcome != "delivered":
                chunk.counts.refuse(at, day, outcome)
        self.ledger.admit(chunk, len(rows))
        self.open.append(chunk)

    def finish(self, number):
        """One of the open chunks, in any order."""
        if self.open:
            chunk = self.open.pop(number % len(self.open))
            self.ledger.resolve(chunk, chunk.unresolved)

    def commit(self, *, answered=True):
        """As :meth:`Consumption.commit`; the answer may be lost."""
        if not self.ledger.committable():
            return
        if not self.ledger.settled.known:
            self.ledger.settled.begin({P0: NotedOffset(self.offset, self.note)})
        offsets = self.ledger.committable()
        self.offset, self.note = offsets[P0], self.ledger.settled.notes(offsets)[P0]
        if answered:
            self.ledger.confirm(1, offsets)

    def check(self):
        """The note speaks of the events before the offset, and of no other."""
        want = {}
        for day, outcome in self.log[: self.offset]:
            of_day = want.setdefault(day, {})
            of_day[outcome] = of_day.get(outcome, 0) + 1
        note = OffsetNote.from_text(self.note)
        found = {} if note is None else note.days
        told = {
            day: {outcome: count for outcome, count in {"delivered": counts.delivered, **counts.dead}.items() if count}
            for day, counts in found.items()
        }
        assert told == want


_ROWS = st.lists(
    st.tuples(st.sampled_from([DAY - 1, DAY, DAY + 1]), st.sampled_from(["delivered", "map", "deliver"])), max_size=40
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fetch"), st.integers(1, 9)),
        st.tuples(st.just("finish"), st.integers(0, 5)),
        st.sampled_from([("commit", True), ("commit", False), ("crash", None)]),
    ),
    max_size=60,
)


@given(_ROWS, _STEPS)
def test_whatever_happens_each_event_before_the_offset_is_counted_once(log, steps):
    """Crashes and other owners at any step, chunks that finish in any order, commits whose answers are lost."""
    group = _Group(log)
    for step, value in steps:
        if step == "fetch":
            group.fetch(value)
        elif step == "finish":
            group.finish(value)
        elif step == "commit":
            group.commit(answered=value)
        else:
            group.take()
        group.check()


def _passed(settled, chunk_counts, *, since=0, anew=False, partition=P0):
    settled.passed(SimpleNamespace(partition=partition, since=since, anew=anew, counts=chunk_counts))


def _counts(delivered, day=DAY):
    return ChunkCounts({day: DayCounts(delivered)})


def test_an_offset_that_somebody_else_has_set_begins_a_new_count():
    """Offsets that were reset by hand have no note: what lies before them is not counted."""
    settled = SettledCounts(lambda: NOON)
    settled.open([P0])
    _passed(settled, _counts(3), since=40)
    settled.begin({P0: NotedOffset(40, "")})
    note = OffsetNote.from_text(settled.notes({P0: 43})[P0])
    assert (note.since, note.days[DAY].delivered) == (40, 3)


def test_a_log_that_was_made_again_begins_a_new_count():
    """What was counted of records that are gone is forgotten, known or not yet known; what went unread with them is told."""
    settled = SettledCounts(lambda: NOON)
    settled.open([P0])
    _passed(settled, _counts(3), since=40)
    settled.expired(Expired(P0, 43, 50))
    _passed(settled, _counts(2), since=0, anew=True)
    settled.begin({P0: NotedOffset(40, OffsetNote(0, None, {DAY: DayCounts(40)}).to_text())})
    note = OffsetNote.from_text(settled.notes({P0: 2})[P0])
    assert (note.since, note.days[DAY].delivered, note.days[DAY].expired) == (0, 2, 7)


def test_records_that_were_deleted_unread_count_once_the_prefix_is_beyond_them():
    """On the day on which it was noticed, and not before the offset has passed them: else a crash would count them twice."""
    settled = SettledCounts(lambda: NOON)
    settled.open([P0])
    settled.begin({P0: None})
    settled.expired(Expired(P0, 5, 9))
    settled.expired(Expired(P1, 5, 9))
    assert OffsetNote.from_text(settled.notes({P0: 5})[P0]).days == {}
    assert OffsetNote.from_text(settled.notes({P0: 10})[P0]).days[DAY].expired == 4
    assert OffsetNote.from_text(settled.notes({P0: 11})[P0]).days[DAY].expired == 4


def test_only_the_newest_days_are_kept_and_the_note_says_from_which_on():
    """Nothing is told of a day that was dropped, also when an event of it comes late."""
    note = OffsetNote(7)
    for day in range(DAY, DAY + KEPT_DAYS + 2):
        note.add([(day, DayCounts(1))], hour=day * 24)
    note.add([(DAY, DayCounts(1))])
    assert sorted(note.days) == list(range(DAY + 2, DAY + 2 + KEPT_DAYS))
    assert note.oldest == DAY + 2
    assert sorted(note.hours) == [day * 24 for day in range(DAY + KEPT_DAYS - 2, DAY + KEPT_DAYS + 2)]


def test_a_note_stays_within_what_kafka_takes():
    """Many rules with long names: the most frequent are told by name, the rest as one, and the oldest days go."""
    note = OffsetNote(0)
    for day in range(DAY, DAY + KEPT_DAYS):
        counts = DayCounts(10**9)
        counts.left_out.update({f"a-rule-with-a-long-name-{number}": 1000 - number for number in range(300)})
        note.add([(day, counts)])
    text = note.to_text()
    assert len(text) <= 3_000
    told = OffsetNote.from_text(text)
    newest = told.days[DAY + KEPT_DAYS - 1]
    assert newest.events == 10**9 + sum(1000 - number for number in range(300))
    assert told.oldest is not None


@given(
    st.builds(
        OffsetNote,
        since=st.integers(0, 2**62),
        days=st.dictionaries(
            st.integers(0, 30_000),
            st.builds(
                DayCounts,
                delivered=st.integers(0, 2**40),
                expired=st.integers(0, 9),
            ),
            max_size=KEPT_DAYS,
        ),
    )
)
def test_a_note_is_read_as_it_was_written(note):
    """To the text beside an offset and back."""
    assert OffsetNote.from_text(note.to_text()) == note


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "7",
        "{}",
        '{"v":2}',
        '{"v":1,"since":"x"}',
        '{"v":1,"since":1,"oldest":null,"days":[],"hours":{}}',
        "\0",
    ],
)
def test_what_somebody_else_has_noted_is_no_note(text):
    """Other tools write texts of their own beside offsets."""
    assert OffsetNote.from_text(text) is None


def test_an_event_of_several_elements_is_refused_once():
    """Both of its elements are refused: one dead letter's worth of one event."""
    counts = ChunkCounts()
    counts.of(DAY).delivered = 2
    counts.refuse(7, DAY, "deliver")
    counts.refuse(7, DAY, "deliver")
    assert counts.days == {DAY: DayCounts(1, dead={"deliver": 1})}
