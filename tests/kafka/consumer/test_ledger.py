"""The ledger, case by case: what the state machine of test_ledger_machine.py finds by chance is shown here for certain."""

from types import SimpleNamespace

import pytest

from bridge.kafka.consumer.ledger import Ledger, UnaccountedError

PARTITION = ("t", 0)


def _chunk(ledger, first, last, *, generation=1, events=None):
    records = [SimpleNamespace(timestamp=0) for _ in range(last - first + 1)]
    chunk = ledger.register_chunk(PARTITION, generation, records, 10, first=first, last=last)
    ledger.admit(chunk, len(records) if events is None else events)
    return chunk


@pytest.fixture
def ledger():
    """One partition, nothing committed."""
    made = Ledger()
    made.open(1, {PARTITION: None})
    return made


def test_what_is_finished_behind_something_open_is_not_committed(ledger):
    """Later chunks finish first: no offset moves until the oldest is finished, and then past all of them."""
    slow, quick, last = _chunk(ledger, 0, 9), _chunk(ledger, 10, 19), _chunk(ledger, 20, 29)
    ledger.resolve(last, 10)
    ledger.resolve(quick, 10)
    assert ledger.committable() == {}
    ledger.resolve(slow, 9)
    assert ledger.committable() == {}
    ledger.resolve(slow)
    assert ledger.committable() == {PARTITION: 30}


def test_what_was_fetched_and_not_finished_is_not_committed(ledger):
    """Fetching moves nothing, decoding moves nothing."""
    _chunk(ledger, 0, 9)
    assert ledger.register_chunk(PARTITION, 1, [SimpleNamespace(timestamp=0)], 10, first=10, last=10) is not None
    assert ledger.committable() == {}


def test_a_failed_commit_is_offered_again(ledger):
    """Only what the broker has confirmed counts as committed."""
    ledger.resolve(_chunk(ledger, 0, 9), 10)
    assert ledger.committable() == ledger.committable() == {PARTITION: 10}
    ledger.confirm(1, {PARTITION: 10})
    assert ledger.committable() == {}


def test_verdicts_of_an_assignment_that_is_over_count_nothing(ledger):
    """The partition went away and came back: what was under way then moves no offset now."""
    before = _chunk(ledger, 0, 9)
    ledger.open(2, {PARTITION: None})
    again = _chunk(ledger, 0, 9, generation=2)
    assert not ledger.resolve(before, 10)
    assert ledger.committable() == {}
    assert ledger.resolve(again, 10)
    assert ledger.committable() == {PARTITION: 10}


def test_an_event_counted_twice_stops_the_worker(ledger):
    """More verdicts than events would let an offset pass that is still open."""
    chunk = _chunk(ledger, 0, 1)
    with pytest.raises(AssertionError, match="more events"):
        ledger.resolve(chunk, 3)


def test_a_chunk_of_an_assignment_that_is_over_is_refused(ledger):
    """It arrives late, when the partition is there again under another number: it belongs to nobody."""
    ledger.open(2, {PARTITION: None})
    record = [SimpleNamespace(timestamp=0)]
    assert ledger.register_chunk(PARTITION, 1, record, 10, first=0, last=0) is None
    assert ledger.register_chunk(("t", 1), 2, record, 10, first=0, last=0) is None
    ledger.passed(PARTITION, 1, 0, 9)
    assert (ledger.events, ledger.weight, ledger.queued, ledger.committable()) == (0, 0, 0, {})


def test_a_chunk_behind_offsets_that_nobody_accounts_for_is_refused(ledger):
    """Acknowledging it would lose what lies between; where the client says that nothing does, it is taken."""
    record = [SimpleNamespace(timestamp=0)]
    ledger.resolve(_chunk(ledger, 0, 9), 10)
    with pytest.raises(UnaccountedError, match="topic t partition 0: 10 expected, 12 came"):
        ledger.register_chunk(PARTITION, 1, record, 10, first=12, last=12)
    assert ledger.committable() == {PARTITION: 10}
    assert ledger.events == 0
    chunk = ledger.register_chunk(PARTITION, 1, record, 10, first=12, last=12, since=10, upto=15)
    ledger.admit(chunk, 0)
    assert ledger.committable() == {PARTITION: 15}


def test_offsets_without_records_are_finished_with_what_lies_before_them(ledger):
    """Markers behind an open chunk wait for it; behind a finished one they may be committed at once."""
    chunk = _chunk(ledger, 0, 9)
    ledger.passed(PARTITION, 1, 10, 12)
    assert ledger.span(PARTITION) == 12
    assert ledger.committable() == {}
    ledger.resolve(chunk, 10)
    assert ledger.committable() == {PARTITION: 12}
    assert ledger.span(PARTITION) == 0
    ledger.passed(PARTITION, 1, 12, 14)
    assert ledger.committable() == {PARTITION: 14}


def test_a_chunk_fetched_twice_takes_nothing_back(ledger):
    """Neither the offset to commit nor what is expected next."""
    ledger.resolve(_chunk(ledger, 0, 9), 10)
    ledger.resolve(_chunk(ledger, 0, 4), 5)
    assert ledger.committable() == {PARTITION: 10}
    assert _chunk(ledger, 10, 10) is not None


def test_a_confirmation_that_comes_late_takes_nothing_back(ledger):
    """Two commits are under way and the earlier one is answered last: nothing is offered for commit again."""
    ledger.resolve(_chunk(ledger, 0, 9), 10)
    ledger.confirm(1, {PARTITION: 10})
    ledger.confirm(1, {PARTITION: 5})
    assert ledger.committed() == {PARTITION: 10}
    assert ledger.committable() == {}


def test_a_commit_of_before_a_cut_does_not_hide_the_offsets_after_it(ledger):
    """Its confirmation comes late, and is ahead of everything that can be committed now."""
    ledger.resolve(_chunk(ledger, 0, 99), 100)
    record = [SimpleNamespace(timestamp=0)]
    anew = ledger.register_chunk(PARTITION, 1, record, 10, first=0, last=0, anew=True)
    ledger.admit(anew, 0)
    ledger.confirm(1, {PARTITION: 100})
    assert ledger.committable() == {PARTITION: 1}
    ledger.confirm(1, {PARTITION: 1})
    assert ledger.committable() == {}


def test_what_is_under_way_is_counted_to_the_offset_and_the_byte(ledger):
    """Bounds of memory and of what a crash would repeat are taken from these figures."""
    records = [SimpleNamespace(timestamp=0)] * 3
    chunk = ledger.register_chunk(PARTITION, 1, records, 70, first=4, last=8, since=2, upto=12)
    assert (ledger.events, ledger.weight, ledger.queued, ledger.span(PARTITION)) == (3, 70, 1, 10)
    ledger.admit(chunk, 5)
    ledger.admit(chunk, 9)
    assert (ledger.events, ledger.queued) == (5, 0), "once"
    ledger.close([PARTITION])
    assert (ledger.events, ledger.weight, ledger.span(PARTITION)) == (0, 0, 0)
    ledger.admit(chunk, 9)
    assert (ledger.events, ledger.queued) == (0, 0)


def test_verdicts_are_counted_from_nothing(ledger):
    """What was resolved stays counted when its partition goes: a watchdog compares the number."""
    assert ledger.resolved == 0
    ledger.resolve(_chunk(ledger, 0, 9), 4)
    ledger.close([PARTITION])
    assert ledger.resolved == 4


def test_a_chunk_has_the_time_of_its_last_record_and_of_its_oldest(ledger):
    """The last tells how far the worker is; the oldest, how long something waits, also when a producer's clock went back."""
    for times, last, oldest in (((4_000, 2_000, 9_000), 9.0, 4.0), ((4_000, 3_000), 3.0, 3.0)):
        records = [SimpleNamespace(timestamp=at) for at in times]
        chunk = ledger.register_chunk(PARTITION, 1, records, 1, first=0, last=len(times) - 1)
        assert (chunk.timestamp, chunk.oldest) == (last, oldest)


def test_offsets_without_records_are_accounted_for(ledger):
    """What comes behind them is expected there; and behind offsets that nobody accounts for they are refused like records."""
    ledger.passed(PARTITION, 1, 0, 5)
    assert _chunk(ledger, 5, 9) is not None
    with pytest.raises(UnaccountedError, match="10 expected, 12 came"):
        ledger.passed(PARTITION, 1, 12, 15)
    assert ledger.committable() == {PARTITION: 5}


def test_offsets_without_records_wait_for_the_newest_chunk(ledger):
    """It is the one before them; told twice they count once."""
    first, second = _chunk(ledger, 0, 4), _chunk(ledger, 5, 9)
    for _ in range(2):
        ledger.passed(PARTITION, 1, 10, 12)
        assert ledger.span(PARTITION) == 12
    ledger.resolve(first, 5)
    assert ledger.committable() == {PARTITION: 5}
    ledger.resolve(second, 5)
    assert ledger.committable() == {PARTITION: 12}


def test_the_newest_that_is_finished_is_remembered(ledger):
    """Whatever is finished after it: the age of events is told from it."""
    for at, (first, newest) in enumerate(((4_000, 4.0), (9_000, 9.0), (2_000, 9.0))):
        chunk = ledger.register_chunk(PARTITION, 1, [SimpleNamespace(timestamp=first)], 1, first=at, last=at)
        ledger.admit(chunk, 0)
        assert ledger.newest == newest


def test_the_oldest_that_is_open_is_that_of_all_partitions(ledger):
    """Nothing open has no age."""
    assert ledger.oldest == 0.0
    ledger.open(2, {PARTITION: None, ("t", 1): None, ("t", 2): None})
    for number, at in ((0, 9_000), (1, 4_000)):
        ledger.register_chunk(("t", number), 2, [SimpleNamespace(timestamp=at)], 1, first=0, last=0)
    assert ledger.oldest == 4.0


def test_a_partition_is_held_by_the_assignment_of_its_number_alone(ledger):
    """Who acts for an assignment that is over would write over what the next one has stored."""
    assert ledger.holds(PARTITION, 1)
    assert not ledger.holds(PARTITION, 2)
    assert not ledger.holds(("t", 1), 1)


def test_a_confirmation_of_another_assignment_takes_nothing_along(ledger):
    """Else an offset that this one has finished would never be committed; of a partition that has gone nothing is noted."""
    ledger.open(2, {PARTITION: None})
    ledger.resolve(_chunk(ledger, 0, 9, generation=2), 10)
    ledger.confirm(1, {PARTITION: 10, ("t", 1): 10})
    ledger.confirm(2, {("t", 1): 10})
    assert ledger.committed() == {PARTITION: None}
    assert ledger.committable() == {PARTITION: 10}


def test_the_head_of_a_partition_is_its_oldest_open_chunk(ledger):
    """What is told as standing still is the one that all others wait for; a partition without one has none."""
    assert ledger.heads() == {}
    first, second = _chunk(ledger, 0, 9), _chunk(ledger, 10, 19)
    assert ledger.heads() == {PARTITION: first}
    ledger.resolve(first, 10)
    assert ledger.heads() == {PARTITION: second}


def test_what_is_lost_with_a_log_is_what_was_read_of_it_and_is_not_finished(ledger):
    """From the oldest open chunk on, or behind what is finished; nothing once all is, or the new log's first chunk is the oldest."""
    assert ledger.lost_with_their_logs() == []
    ledger.log_gone(PARTITION, 2, 0, 3, 10)
    ledger.log_gone(("t", 1), 1, 0, 3, 10)
    assert ledger.lost_with_their_logs() == [], "of another assignment, or of a partition that is not ours"
    ledger.log_gone(PARTITION, 1, 0, 3, 10)
    assert ledger.lost_with_their_logs() == [(PARTITION, 3, 10)]
    first, second = _chunk(ledger, 4, 6), _chunk(ledger, 7, 9)
    assert ledger.lost_with_their_logs() == [(PARTITION, 4, 10)]
    ledger.resolve(first, 3)
    assert ledger.lost_with_their_logs() == [(PARTITION, 7, 10)]
    anew = ledger.register_chunk(PARTITION, 1, [SimpleNamespace(timestamp=0)], 10, first=0, last=0, anew=True)
    assert ledger.lost_with_their_logs() == [(PARTITION, 7, 10)]
    ledger.resolve(second, 3)
    assert ledger.lost_with_their_logs() == []
    ledger.admit(anew, 1)
    ledger.resolve(anew)
    assert ledger.lost_with_their_logs() == []


def test_what_is_finished_of_a_log_is_not_lost_with_it(ledger):
    """Nothing is open: what lies behind the finished part was read, and is found by nobody."""
    ledger.resolve(_chunk(ledger, 0, 6), 7)
    ledger.log_gone(PARTITION, 1, 0, 0, 10)
    assert ledger.lost_with_their_logs() == [(PARTITION, 7, 10)]
    ledger.log_gone(PARTITION, 1, 0, 0, 7)
    assert ledger.lost_with_their_logs() == []


def _anew(ledger, log, first, last):
    rows = [SimpleNamespace(timestamp=0) for _ in range(first, last + 1)]
    chunk = ledger.register_chunk(PARTITION, 1, rows, 10, first=first, last=last, anew=log)
    ledger.admit(chunk, len(rows))
    return chunk


def test_each_log_that_went_is_lost_from_its_own_oldest_open_record_on(ledger):
    """Made again twice while the first was under way: what is finished of one says nothing of the next."""
    first = _chunk(ledger, 0, 9)
    ledger.log_gone(PARTITION, 1, 0, 0, 10)
    second = _anew(ledger, 1, 0, 3)
    later = _chunk(ledger, 4, 5)
    ledger.log_gone(PARTITION, 1, 1, 0, 6)
    assert ledger.lost_with_their_logs() == [(PARTITION, 0, 10), (PARTITION, 0, 6)]
    third = _anew(ledger, 2, 0, 0)
    ledger.resolve(first, 10)
    assert ledger.lost_with_their_logs() == [(PARTITION, 0, 6)]
    ledger.resolve(second, 4)
    assert ledger.lost_with_their_logs() == [(PARTITION, 4, 6)]
    ledger.resolve(later, 2)
    assert ledger.lost_with_their_logs() == []
    ledger.resolve(third)
    assert ledger.lost_with_their_logs() == []
    assert ledger.committable() == {PARTITION: 1}


def test_a_log_that_went_before_anything_of_it_was_written_down_is_lost_from_where_it_began(ledger):
    """What is finished of the one before has other offsets."""
    ledger.resolve(_chunk(ledger, 0, 6), 7)
    ledger.log_gone(PARTITION, 1, 1, 2, 5)
    assert ledger.lost_with_their_logs() == [(PARTITION, 2, 5)]
    ledger.resolve(_anew(ledger, 1, 2, 3), 2)
    assert ledger.lost_with_their_logs() == [(PARTITION, 4, 5)]
    _anew(ledger, 2, 0, 0)
    assert ledger.lost_with_their_logs() == [], "of the next one something is here, hence all of it is finished"
