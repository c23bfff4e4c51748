"""When the marks of what is being mapped are written, struck out and left away; with a store that a test can break."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from marks_bench import Bench, P, Store, chunk, held_by_a_dead_process
from structlog.testing import capture_logs

from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.restart_memory.memory import Remembered

Q = ("events", 1)


async def test_a_run_is_stored_before_it_is_mapped_and_struck_out_after() -> None:
    """Whoever comes next finds it only when the process ended in between."""
    bench = Bench(Store())
    one = chunk(P, 10, 19)
    assert bench.marks.watches(one)
    await bench.marks.before(one)
    assert bench.store.of(P) == Remembered(10, 19, busy=True)
    bench.marks.after(one)
    await bench.marks.close()
    assert bench.store.of(P) == Remembered(busy=True)
    assert set(bench.told) == {True}


async def test_at_most_one_run_is_written_down_at_any_time() -> None:
    """What was mapped is struck out by the very write that names the next run."""
    bench = Bench(Store())
    await bench.take(chunk(P, 0, 9))
    await bench.marks.before(chunk(Q, 0, 9))
    assert (bench.store.of(P), bench.store.of(Q)) == (Remembered(busy=True), Remembered(0, 9, busy=True))
    assert len(bench.store.writes) == 2
    await bench.marks.close()
    assert bench.store.of(Q) == Remembered(0, 9, busy=True), "striking out late takes no newer mark along"


async def test_a_late_strike_out_does_not_undo_the_next_mark() -> None:
    """Of one partition too: the next run is named before the one before was struck out."""
    store = Store()
    store.values[b"mapping/group/events/0"] = Remembered(busy=True).to_bytes()
    bench = Bench(store)
    await bench.take(chunk(P, 0, 9))
    await bench.marks.before(chunk(P, 10, 19))
    await asyncio.sleep(0.1)
    assert bench.store.of(P) == Remembered(10, 19, busy=True)


async def test_after_the_probation_nothing_is_written() -> None:
    """So many events, or so many seconds: then a chunk costs no more than the question."""
    for step, seconds in ((100, 0.0), (10, 16.0)):
        store = Store()
        store.values[b"mapping/group/events/0"] = Remembered(busy=True).to_bytes()
        bench = Bench(store, probation=100)
        await bench.take(chunk(P, 0, 9))
        assert bench.marks.watches(chunk(P, 10, 19))
        bench.now += seconds
        await bench.take(chunk(P, 10, 9 + step))
        assert not bench.marks.watches(chunk(P, 500, 509))
        assert bench.marks.watches(chunk(Q, 0, 9)), "another partition has its first run before it"
        assert bench.marks.watches(chunk(P, 500, 509, generation=2)), "and so has the next assignment"
        await bench.marks.close()


async def test_behind_a_process_that_ended_in_order_only_the_first_run_is_written_down() -> None:
    """Given away, or never held by anybody: no probation."""
    store = Store()
    for generation in (1, 2):
        bench = Bench(store)
        await bench.take(chunk(P, 0, 9, generation))
        assert not bench.marks.watches(chunk(P, 10, 19, generation))
        await bench.marks.give_away(1.0)
        await bench.marks.close()
        assert store.of(P) == Remembered()
    died = Bench(store)
    await died.take(chunk(P, 0, 9))
    await died.marks.close()
    after = Bench(store)
    await after.take(chunk(P, 0, 9))
    assert after.marks.watches(chunk(P, 10, 19))
    await after.marks.close()


async def test_all_partitions_are_marked_as_held_by_one_write() -> None:
    """Those of which nothing is remembered are not watched; one whose process died is."""
    store = Store()
    store.values[b"mapping/group/events/1"] = Remembered(busy=True).to_bytes()
    bench = Bench(store, assigned=(P, Q, ("events", 2)))
    await bench.take(chunk(P, 0, 9))
    assert len(store.writes) == 1
    assert store.of(P) == store.of(("events", 2)) == Remembered(busy=True)
    assert not bench.marks.watches(chunk(P, 10, 19))
    assert not bench.marks.watches(chunk(("events", 2), 0, 9))
    assert bench.marks.watches(chunk(Q, 0, 9))
    await bench.marks.give_away(1.0)
    assert store.of(P) == store.of(("events", 2)) == Remembered()


async def test_giving_away_waits_no_longer_than_it_may() -> None:
    """A store that does not answer holds up no rebalance."""
    bench = Bench(Store())
    await bench.take(chunk(P, 0, 9))
    await bench.marks.close()
    bench.store.write = lambda _: asyncio.sleep(60)
    began = asyncio.get_running_loop().time()
    await bench.marks.give_away(0.1)
    assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize("broken", ["read", "write"])
async def test_without_the_store_work_goes_on(broken: str) -> None:
    """It is told, nothing is waited for again in this assignment, and the next one tries anew."""
    store = Store()
    store.broken = {broken}
    bench = Bench(store)
    with capture_logs() as logs:
        assert await bench.take(chunk(P, 0, 9)) == frozenset()
    assert bench.told == [False]
    what = "read" if broken == "read" else "written"
    assert [(line["event"], line["what"], line["error"]) for line in logs] == [
        ("restart_memory_lost", what, "no brokers")
    ]
    assert not bench.marks.watches(chunk(P, 10, 19))
    store.broken = set()
    await bench.take(chunk(P, 10, 19, generation=2))
    assert store.of(P).first in (10, None)
    assert bench.told[-1] is True
    await bench.marks.close()


async def test_a_chunk_of_an_assignment_that_is_over_is_not_written_down() -> None:
    """Its partition is another worker's, and so is its mark."""
    bench = Bench(Store())
    gone = chunk(P, 0, 9)
    gone.closed = True
    await bench.marks.before(gone)
    assert bench.store.writes == []


async def test_the_state_is_read_once_an_assignment() -> None:
    """Not for each partition."""
    bench = Bench(Store())
    for partition in (P, Q):
        await bench.take(chunk(partition, 0, 9))
    assert bench.store.reads == 1
    await bench.take(chunk(P, 0, 9, generation=2))
    assert bench.store.reads == 2
    await bench.marks.close()


@pytest.mark.parametrize(
    ("events", "seconds", "proved"), [(20, 0.0, True), (19, 0.0, False), (1, 15.0, True), (1, 14.9, False)]
)
async def test_probation_ends_at_its_bounds(events: int, seconds: float, proved: bool) -> None:
    """So many events of all partitions together, or fifteen seconds since the partition's first chunk."""
    bench = Bench(held_by_a_dead_process(Store(), P, Q), probation=30)
    await bench.take(chunk(P, 0, 9))
    bench.now = seconds
    await bench.take(chunk(P, 10, 9 + events))
    assert bench.marks.watches(chunk(P, 100, 109)) is not proved
    await bench.marks.close()


async def test_each_assignment_proves_itself() -> None:
    """What an assignment before it mapped does not count; a chunk without events counts as one."""
    store = held_by_a_dead_process(Store(), P)
    bench = Bench(store, probation=11)
    await bench.take(chunk(P, 0, 19))
    assert not bench.marks.watches(chunk(P, 20, 29))
    held_by_a_dead_process(store, P)
    await bench.take(chunk(P, 20, 29, 2))
    assert bench.marks.watches(chunk(P, 30, 39, 2))
    empty = chunk(P, 30, 39, 2)
    empty.unresolved = 0
    await bench.take(empty)
    assert not bench.marks.watches(chunk(P, 40, 49, 2))
    await bench.marks.close()


def test_what_is_mapped_in_quick_succession_is_struck_out_together() -> None:
    """A write a chunk would be slow: within a twentieth of a second they share one."""

    async def main() -> None:
        store = held_by_a_dead_process(Store(), P, Q)
        bench = Bench(store)
        for partition in (P, Q):
            await bench.marks.before(chunk(partition, 0, 9))
        for partition in (P, Q):
            bench.marks.after(chunk(partition, 0, 9))
            await asyncio.sleep(0.02)
        assert len(store.writes) == 2
        await bench.marks.close()
        assert len(store.writes) == 3
        assert store.of(P) == store.of(Q) == Remembered(busy=True)
        await bench.take(chunk(P, 10, 19))
        await bench.marks.close()
        assert store.of(P) == Remembered(busy=True), "and the next time anew"

    loop = VirtualLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


async def test_what_is_not_watched_is_not_struck_out() -> None:
    """A chunk of a partition that is unknown, of an assignment that is over, or after the probation."""
    bench = Bench(held_by_a_dead_process(Store(), P))
    bench.marks.after(chunk(P, 0, 9))
    await bench.marks.before(chunk(P, 0, 9))
    bench.marks.after(chunk(P, 0, 9, 7))
    bench.marks.after(chunk(Q, 0, 9))
    await asyncio.sleep(0.1)
    assert bench.store.of(P) == Remembered(0, 9, busy=True)
    assert len(bench.store.writes) == 1
    proved = Bench(Store(), assigned=(P,))
    await proved.take(chunk(P, 0, 9))
    await asyncio.sleep(0.1)
    await proved.marks.close()
    assert len(proved.store.writes) == 1, "the mark that it is held"


async def test_whether_the_memory_works_is_told_with_each_write() -> None:
    """Also with those that nobody waits for."""
    store = held_by_a_dead_process(Store(), P)
    bench = Bench(store)
    await bench.marks.before(chunk(P, 0, 9))
    store.broken = {"write"}
    bench.marks.after(chunk(P, 0, 9))
    with capture_logs() as logs:
        await bench.marks.close()
    assert bench.told == [True, False]
    assert [(line["event"], line["what"], line["error"]) for line in logs] == [
        ("restart_memory_lost", "written", "no brokers")
    ]
    store.broken = set()
    await bench.marks.give_away(1.0)
    assert bench.told == [True, False, True]


async def test_closing_gives_up_what_cannot_be_struck_out() -> None:
    """Whatever the error is: the worker leaves all the same."""
    bench = Bench(held_by_a_dead_process(Store(), P))
    await bench.marks.before(chunk(P, 0, 9))

    async def fail(_: Any) -> None:
        raise ValueError("never seen before")

    bench.store.write = fail  # type: ignore[method-assign]
    bench.marks.after(chunk(P, 0, 9))
    await bench.marks.close()
    assert bench.store.of(P) == Remembered(0, 9, busy=True)


async def test_a_chunk_that_nobody_will_map_begins_nothing() -> None:
    """One of an assignment that is over reaches the stream late, or one is given twice: what is known of this one stays."""
    bench = Bench(Store())
    await bench.take(chunk(P, 0, 9, generation=2))
    late, twice = chunk(P, 0, 9, generation=1), chunk(P, 0, 9, generation=2)
    late.closed, twice.admitted = True, True
    assert not bench.marks.watches(late)
    assert not bench.marks.watches(twice)
    await bench.marks.close()
