"""The sum of days: it holds whatever happened to the worker, and every event that is left over is an error."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adobe.reconciliation.ingested import IngestedCounts, IngestedDay
from bridge.kafka.reading_back.day_records import HeldRange
from bridge.model.day_counts import DAY_MS, DayCounts, OffsetNote
from bridge.model.event import LeftOut, Refusal
from bridge.routes.reconciliation.adding_up import reconcile
from bridge.routes.reconciliation.day_sum import day_name
from bridge.routes.reconciliation.event_table import EventTable, LetterAt
from bridge.routes.reconciliation.fates import fates, seen_in
from bridge.routes.reconciliation.found_account import Account, FoundAccount
from bridge.routes.reconciliation.results import day_as_json, saved_day, saved_value

DAY = 20_000
DAYS = range(DAY, DAY + 2)
NOW = (DAY + 1) * 86_400 + 43_200


class _Decoder:
    """A record is a list of events, or of what stands in their place."""

    def decode(self, value):
        return [
            Refusal("no", "no event") if one is None else LeftOut(one) if isinstance(one, str) else one
            for one in json.loads(value)
        ]


DECODER = _Decoder()


class _Bridge:
    """A model of all that happens: a topic, workers that die, letters that may be stored twice, and the note of the offset."""

    def __init__(self):
        self.log, self.letters = [], []
        self.committed, self.note = 0, OffsetNote(0)

    def write(self, day, events, *, replay=False):
        """A record of these events; each is (id, fate)."""
        headers = [("bridge.replays", b"1")] if replay else []
        self.log.append((day, events, headers))

    def _value(self, events):
        return json.dumps(
            [
                None if fate == "refusal" else "a-rule" if fate == "out" else {"event_uuid": uuid, "event_code": "A"}
                for uuid, fate in events
            ]
        ).encode()

    def work(self, upto, *, dies):
        """A worker settles the records from the committed offset to ``upto``, and dies before it has committed, or not."""
        counted = OffsetNote(
            self.note.since, None, {day: DayCounts.from_list(c.to_list()) for day, c in self.note.days.items()}
        )
        upto = min(upto, len(self.log))
        for offset in range(self.committed, upto):
            day, events, _ = self.log[offset]
            for uuid, fate in events:
                stage = {"refusal": "decode", "refused": "deliver"}.get(fate)
                if stage is not None:
                    self.letters.append(LetterAt(offset, None if fate == "refusal" else uuid, stage, "code", 1))
                one = DayCounts(int(fate == "taken"), dead=Counter({stage: 1} if stage else ()))
                one.left_out.update({"a-rule": 1} if fate == "out" else {})
                counted.add([(day, one)])
        if not dies and upto > self.committed:
            self.committed, self.note = upto, counted

    def found(self, *, first=0, first_day=None, **more):
        """What a reader finds; the records before ``first`` are deleted."""
        account = Account(HeldRange(first, len(self.log), first, first_day), self.committed, self.note)
        with EventTable() as table:
            for offset, (day, events, headers) in enumerate(self.log):
                if offset < first:
                    continue
                record = SimpleNamespace(
                    value=self._value(events), timestamp=day * DAY_MS, partition=0, offset=offset, headers=headers
                )
                at = [letter for letter in self.letters if letter.offset == offset]
                seen = seen_in(record, DECODER, at, settled=offset < self.committed)
                table.add(seen)
                if offset >= self.committed:
                    account.waiting[day] += len(seen)
                elif offset < self.note.since:
                    account.before[day] += len(seen)
                else:
                    account.met.setdefault(day, Counter()).update(fates(seen))
            distinct = table.distinct()
            known = {
                "topic": "t",
                "accounts": {0: account},
                "distinct": distinct,
                "repeated": table.repeated(),
                "replayed": table.replayed(),
                "ingest_letters": {},
                "ingest_batches": frozenset(),
                "now": NOW,
            }
        return FoundAccount(**known | more)

    def reconcile(self, **more):
        """The sums of both days."""
        return reconcile(DAYS, self.found(**more), {})


_EVENTS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["taken", "refused", "refusal", "out"])), max_size=3
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(DAYS), _EVENTS, st.booleans()),
        st.tuples(st.just("work"), st.integers(0, 12), st.booleans()),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(_STEPS)
def test_the_sum_holds_whatever_happens(steps):
    """Workers die at any place, letters lie there twice, events come again and are replayed: every event has one place in the sum."""
    bridge = _Bridge()
    for step, *rest in steps:
        if step == "write":
            day, events, replay = rest
            bridge.write(day, events, replay=replay)
        else:
            ahead, dies = rest
            bridge.work(bridge.committed + ahead, dies=dies)
        done = bridge.reconcile()
        assert done.holds, done.differences
        firsts = {}
        for offset, (day, events, headers) in enumerate(bridge.log):
            for part, (uuid, fate) in enumerate(events):
                name = uuid if fate in ("taken", "refused") else (offset, part)
                if not headers:
                    firsts[name] = min(day, firsts.get(name, day))
        for row in done.days:
            assert row.total.received == row.total.accounted == sum(day == row.day for day in firsts.values())
            assert sum(part.received for part in row.codes.values()) == row.total.received


@settings(deadline=None)
@given(st.lists(_EVENTS.filter(bool), min_size=1, max_size=8), st.data())
def test_every_record_that_is_passed_over_is_found(log, data):
    """The offset moves over records that nobody has settled: the error says how many events."""
    bridge = _Bridge()
    for events in log:
        bridge.write(DAY, events)
    bridge.work(data.draw(st.integers(0, len(log) - 1)), dies=False)
    lost = data.draw(st.integers(bridge.committed + 1, len(log)))
    passed = sum(len(events) for events in log[bridge.committed : lost])
    bridge.committed = lost
    done = bridge.reconcile()
    assert sum(one.events for one in done.differences if one.check == "kafka") == passed
    assert not done.holds


def _two_days():
    bridge = _Bridge()
    bridge.write(DAY, [("a", "taken"), ("b", "refused")])
    bridge.write(DAY + 1, [("c", "taken")])
    bridge.work(2, dies=False)
    return bridge


def test_a_letter_that_is_gone_is_an_error():
    """The worker has stored it, and nobody finds it."""
    bridge = _two_days()
    bridge.letters.clear()
    (one,) = bridge.reconcile().differences
    assert (one.check, one.day, one.events) == ("letters", DAY, 1)
    assert "retention.ms" in one.fix


def test_a_record_that_is_no_event_and_has_no_letter_is_an_error():
    """It cannot have been delivered."""
    bridge = _Bridge()
    bridge.write(DAY, [(None, "refusal")])
    bridge.work(1, dies=False)
    bridge.letters.clear()
    assert {one.check for one in bridge.reconcile().differences} == {"letters"}


def test_of_a_day_that_is_deleted_the_workers_counts_stand():
    """Events are not told apart any more: duplicates are unknown, and nothing is invented."""
    bridge = _two_days()
    bridge.write(DAY + 1, [("d", "taken")])
    done = bridge.reconcile(first=1, first_day=DAY + 1)
    first, second = done.days
    assert done.holds
    assert (first.distinct, first.total.delivered, first.total.dead, first.duplicates) == (
        False,
        1,
        {"deliver": 1},
        None,
    )
    assert (second.distinct, second.total.open) == (False, 1), "its first record may have been deleted"
    assert "told apart" in done.notes[0]


def test_what_was_reconciled_before_stands_for_a_day_that_is_deleted():
    """With its codes, as it was saved."""
    bridge = _two_days()
    whole = bridge.reconcile().days[0]
    saved = saved_day(saved_value(whole, "2026-11-26T03:00:00Z"), DAY)
    done = reconcile(DAYS, bridge.found(first=1, first_day=DAY + 1), {DAY: saved})
    assert done.days[0].total == whole.total
    assert done.days[0].codes == whole.codes
    assert done.days[0].saved_at == "2026-11-26T03:00:00Z"
    assert day_as_json(done.days[0])["day"] == day_name(DAY)


@pytest.mark.parametrize("value", [None, b"", b"no json", b"{}", b'{"day":"2024-10-04"}', b"[]"])
def test_what_is_no_saved_day_is_none(value):
    """Another day's, or somebody else's."""
    assert saved_day(value, DAY) is None


def test_a_day_that_nobody_counted_and_the_topic_does_not_hold_is_an_error():
    """It cannot be told whether it holds."""
    bridge = _two_days()
    bridge.note = OffsetNote(0, oldest=DAY + 1, days={DAY + 1: DayCounts(1)})
    done = bridge.reconcile(first=1, first_day=DAY + 1)
    assert [(one.check, one.day) for one in done.differences] == [("retention", DAY)]
    assert "BRIDGE_RECONCILE__AT" in done.differences[0].fix


def test_events_that_no_worker_has_counted_are_an_error():
    """That they were delivered is told by the committed offset alone, which anybody can move."""
    done = reconcile(DAYS, _without_note(_two_days()), {})
    assert [(one.check, one.day, one.events) for one in done.differences] == [
        ("uncounted", DAY, 2),
        ("uncounted", DAY + 1, 1),
    ]
    assert "by hand" in done.differences[0].words


def _without_note(bridge):
    bridge.note = OffsetNote(0)
    found = bridge.found()
    found.accounts[0].note = None
    return found


def test_rules_count_as_they_were_when_they_were_applied():
    """Of a rule that is gone by now stands what the worker has counted."""
    bridge = _Bridge()
    bridge.write(DAY, [("a", "taken"), ("b", "taken"), ("c", "taken")])
    bridge.work(1, dies=False)
    bridge.note.days[DAY] = DayCounts(2, left_out=Counter({"then": 1}))
    done = bridge.reconcile()
    assert done.holds
    total = done.days[0].total
    assert (total.delivered, total.left_out) == (2, {"then": 1})


def _aep(ingested, failed=0, **more):
    return IngestedCounts({DAY: IngestedDay(ingested, failed)}, **more)


def test_aeps_records_cover_what_it_was_given():
    """More is no error: what is delivered twice lies there twice."""
    done = _two_days().reconcile(aep=_aep(2, 1))
    assert done.holds
    assert (done.days[0].ingested, done.days[0].failed, done.days[1].ingested, done.waiting_in_aep) == (2, 1, 0, 0)


def test_events_that_aep_lost_after_its_200_are_an_error():
    """Beyond the time that it may take for its batches."""
    (one,) = _two_days().reconcile(aep=_aep(1)).differences
    assert (one.check, one.events) == ("aep", 1)
    assert "aep-bridge replay --since" in one.fix


def test_what_was_delivered_just_now_may_wait_in_aep():
    """For the hours that its documents allow, and as long as batches are under way."""
    bridge = _two_days()
    bridge.note.hours[NOW // 3600 - 2] = 1
    done = bridge.reconcile(aep=_aep(1))
    assert (done.holds, done.waiting_in_aep) == (True, 1)
    bridge.note.hours = Counter({NOW // 3600 - 3: 1})
    assert not bridge.reconcile(aep=_aep(1)).holds
    assert bridge.reconcile(aep=_aep(1, under_way=1)).holds


def test_where_aep_gives_no_counts_its_part_is_unknown():
    """And says so."""
    done = _two_days().reconcile(aep=_aep(0, untold=["01ABC"]))
    assert done.holds
    assert done.days[0].ingested is None
    assert "01ABC" in done.notes[-1]


def test_a_failed_batch_without_letters_is_an_error_once_it_is_old_enough():
    """What AEP has refused lies nowhere else."""
    old, young = (NOW - 3 * 3600) * 1000, (NOW - 600) * 1000
    batches = {"old": (old, 4), "young": (young, 2), "fetched": (old, 1)}
    done = _two_days().reconcile(aep=_aep(2, 7, failed_batches=batches), ingest_batches=frozenset({"fetched"}))
    (one,) = done.differences
    assert (one.check, one.events) == ("failed_batches", 4)
    assert "failed-batches fetch" in one.fix


def test_what_cannot_be_read_and_what_was_never_streamed_are_errors():
    """Each with what to do."""
    done = _two_days().reconcile(unreadable=["partition 0 cannot be read"], exported=(3, {DAY: 2}))
    assert {one.check: one.events for one in done.differences} == {"export": 3, "unreadable": 1}
    assert done.difference_events == 4
    assert done.days[0].exported == 2
