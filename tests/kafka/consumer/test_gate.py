"""The gate's bounds, exactly: what is admitted, whose turn it is, and who is woken when."""

import asyncio
from types import SimpleNamespace

import pytest
from virtual_time import in_virtual_time

from bridge.kafka.consumer.gate import FETCH_BYTES, Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.telemetry.metrics import Metrics

P0, P1 = ("t", 0), ("t", 1)
FIVE = [("t", number) for number in range(5)]


def _gate(*, max_events=100, max_bytes=10_000_000, blocked=False, partitions=(P0, P1)):
    ledger, state, metrics = Ledger(), SimpleNamespace(blocked=blocked, evidence=0, held=0, asked=[]), Metrics()
    ledger.open(1, dict.fromkeys(partitions))
    gate = Gate(
        ledger,
        max_events=max_events,
        max_bytes=max_bytes,
        blocked=lambda: state.blocked,
        evidence=lambda ahead: (state.asked.append(ahead), state.evidence)[1],
        held=lambda: state.held,
        metrics=metrics,
    )
    return ledger, gate, state, metrics


def _open(ledger, partition, first, count, weight=1):
    """A chunk of so many events that have no verdict yet."""
    records = [SimpleNamespace(timestamp=0)] * count
    chunk = ledger.register_chunk(partition, 1, records, weight, first=first, last=first + count - 1)
    ledger.admit(chunk, count)
    return chunk


@pytest.mark.parametrize(
    ("events", "weight", "is_open"), [(99, 1, True), (100, 1, False), (1, 9_999, True), (1, 10_000, False)]
)
def test_the_bounds_are_the_settings(events, weight, is_open):
    """One event or byte below is room, at the bound there is none."""
    ledger, gate, _, _ = _gate(max_bytes=10_000)
    _open(ledger, P0, 0, events, weight)
    assert gate.open is is_open


@pytest.mark.parametrize(
    ("events", "weight", "is_open"), [(9, 1, True), (10, 1, False), (1, 999, True), (1, 1_000, False)]
)
def test_while_the_destination_is_away_a_tenth_of_both_fills(events, weight, is_open):
    """Probes need more than one event, memory and a crash's repeats need no more."""
    ledger, gate, _, _ = _gate(max_bytes=10_000, blocked=True)
    _open(ledger, P0, 0, events, weight)
    assert gate.open is is_open


def test_four_chunks_that_nobody_has_taken_are_enough():
    """More would only be read long before; three leave room."""
    ledger, gate, _, _ = _gate()
    for first in range(3):
        ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=0)], 1, first=first, last=first)
    assert gate.open
    ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=0)], 1, first=3, last=3)
    assert not gate.open


def test_room_is_what_the_bound_leaves_and_never_nothing():
    """In records; one always, as a fetch of none would ask for all."""
    ledger, gate, state, _ = _gate()
    assert gate.room == 100
    _open(ledger, P0, 0, 30)
    assert gate.room == 70
    state.blocked = True
    assert gate.room == 1
    _open(ledger, P0, 30, 200)
    state.blocked = False
    assert gate.room == 1


def test_it_opens_again_when_everybody_who_shut_it_has_reopened_it():
    """A revoke within a stop: the one that ends first must not let anything in."""
    _, gate, _, _ = _gate()
    assert (gate.is_shut, gate.open) == (False, True)
    gate.shut()
    gate.shut()
    gate.reopen()
    assert (gate.is_shut, gate.open, gate.admitted([P0])) == (True, False, set())
    gate.reopen()
    assert (gate.is_shut, gate.open, gate.admitted([P0])) == (False, True, {P0})


@pytest.mark.parametrize(("span", "admitted"), [(199, {P0, P1}), (200, {P1})])
def test_a_partition_may_be_twice_the_bound_ahead_of_its_oldest_open_event(span, admitted):
    """That is what a crash repeats at most; the others go on."""
    ledger, gate, _, _ = _gate()
    _open(ledger, P0, 0, 1)
    done = ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=0)] * (span - 1), 1, first=1, last=span - 1)
    ledger.admit(done, 0)
    assert gate.admitted([P0, P1]) == admitted


def test_many_partitions_take_turns_one_by_one():
    """With room for two full fetches each partition is asked twice in five rounds, its neighbour after it."""
    _, gate, _, _ = _gate(max_bytes=2 * FETCH_BYTES, partitions=FIVE)
    rounds = [sorted(number for _, number in gate.admitted(FIVE)) for _ in range(5)]
    assert rounds == [[1, 2], [2, 3], [3, 4], [0, 4], [0, 1]]


def test_as_many_as_have_room_are_asked_at_once():
    """No turns where all fit: five with room for five, and one where there is room for less than a fetch."""
    ledger, gate, _, _ = _gate(max_bytes=5 * FETCH_BYTES, partitions=FIVE)
    assert gate.admitted(FIVE) == set(FIVE)
    assert gate.admitted([]) == set(), "before the first assignment"
    _open(ledger, FIVE[0], 0, 1, weight=5 * FETCH_BYTES - 1)
    assert len(gate.admitted(FIVE)) == 1
    assert FETCH_BYTES == 1_048_576, "what Kafka's client asks of a partition at once"


def test_the_metrics_are_those_of_the_ledger():
    """Set at each look, also while nothing is admitted."""
    ledger, gate, _, metrics = _gate()
    _open(ledger, P0, 0, 7, weight=321)
    gate.shut()
    gate.admitted([P0])
    assert (metrics.in_flight_events._value.get(), metrics.in_flight_bytes._value.get()) == (7, 321)


@in_virtual_time
async def test_who_waits_is_woken_when_there_is_room_and_not_before():
    """An acknowledgement that leaves it full wakes nobody; what was free before the wait does not count."""
    ledger, gate, _, _ = _gate(max_events=10)
    gate.freed()
    chunk = _open(ledger, P0, 0, 12)
    assert not await gate.wait(0.02)
    waiting = asyncio.create_task(gate.wait(5))
    await asyncio.sleep(0)
    ledger.resolve(chunk)
    gate.freed()
    await asyncio.sleep(0.02)
    assert not waiting.done(), "eleven of ten"
    ledger.resolve(chunk, 2)
    gate.freed()
    assert await asyncio.wait_for(waiting, 1)


def test_a_partition_that_is_too_far_ahead_gives_a_little_while_evidence_is_wanted():
    """Its oldest event fails and nothing else is there: a few records of it come, and no more once that is over."""
    ledger, gate, state, _ = _gate(max_events=100)
    _open(ledger, P0, 0, 1)
    for first in range(1, 200, 50):
        chunk = _open(ledger, P0, first, 50)
        ledger.resolve(chunk, 50)
    assert ledger.span(P0) == 201
    assert gate.admitted([P0, P1]) == {P1}
    assert gate.room == 99
    state.evidence = 4
    state.asked.clear()
    assert gate.admitted([P0]) == {P0}
    assert state.asked == [True]
    assert gate.room == 4
    assert [gate.admitted([P0, P1]) for _ in range(4)] in ([{P0}, {P1}] * 2, [{P1}, {P0}] * 2)
    state.evidence = 1_000
    assert gate.admitted([P0]) == {P0}
    assert gate.room == 50
    _open(ledger, P0, 201, 60)
    state.evidence = 0
    assert gate.admitted([P0, P1]) == {P1}
    assert gate.room == 39


def test_room_is_the_bound_s_while_no_partition_is_too_far_ahead():
    """Evidence is wanted, and there is room for all: nobody is asked for less, nor one by one."""
    _, gate, state, _ = _gate()
    state.evidence = 1
    assert gate.admitted([P0, P1]) == {P0, P1}
    assert gate.room == 100


@pytest.mark.parametrize(("max_events", "most"), [(100, 50), (1_000, 100), (12_000, 1_200)])
def test_when_all_that_may_be_here_fails_evidence_is_read_beyond_the_bound(max_events, most):
    """As many records as are asked for, fifty or a tenth of the bound at most, of one partition; without need nothing."""
    ledger, gate, state, _ = _gate(max_events=max_events)
    _open(ledger, P0, 0, max_events)
    assert gate.admitted([P0, P1]) == set()
    for asked, room in ((1, 1), (most, most), (most + 1, most)):
        state.evidence = asked
        assert len(gate.admitted([P0, P1])) == 1
        assert gate.room == room
    state.evidence = 0
    assert gate.admitted([P0, P1]) == set()
    assert gate.room == 1


def test_evidence_comes_of_a_partition_that_is_not_too_far_ahead():
    """As long as there is one; of those that are, where there is no other."""
    ledger, gate, state, _ = _gate(max_events=100)
    state.evidence = 4
    _open(ledger, P0, 0, 200)
    assert [gate.admitted([P0, P1]) for _ in range(4)] == [{P1}] * 4
    assert state.asked == [False] * 4
    assert gate.admitted([P0]) == {P0}
    assert state.asked[4:] == [True]


@pytest.mark.parametrize("why", ["bytes", "shut", "queued"])
def test_evidence_has_its_bounds_too(why):
    """The bytes of the bound, an end that has begun, and chunks that nobody has taken yet."""
    ledger, gate, state, _ = _gate(max_bytes=1_000)
    _open(ledger, P0, 0, 100, 1_000 if why == "bytes" else 999)
    state.evidence = 4
    if why == "shut":
        gate.shut()
    if why == "queued":
        for number in range(4):
            ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=0)], 1, first=100 + number, last=100 + number)
    assert gate.admitted([P0, P1]) == set()


def test_what_is_postponed_for_ever_takes_no_room_of_the_others():
    """A hundred events are held: a hundred others may come beside them, as long as there is room for their bytes."""
    ledger, gate, state, _ = _gate(max_bytes=1_000)
    _open(ledger, P0, 0, 100)
    assert not gate.open
    state.held = 60
    assert gate.open
    assert gate.room == 60
    _open(ledger, P1, 0, 60, 10)
    assert not gate.open
    state.held = 100
    assert gate.open
    _open(ledger, P1, 60, 1, 989)
    assert not gate.open
