"""When the marks of what is being mapped are written, struck out and left away; with a store that a test can break."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.kafka.consumer.chunk import Chunk
from bridge.model.errors import KafkaError
from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.restart_memory.marks import ALONE_SECONDS, RestartMarks
from bridge.worker.restart_memory.memory import Remembered

P, Q = ("events", 0), ("events", 1)


class Store:
    """Keeps values; ``broken`` lets the next calls fail."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.writes: list[dict[bytes, bytes]] = []
        self.reads = 0
        self.broken: set[str] = set()

    async def read(self) -> dict[bytes, bytes]:
        """All, counted."""
        self.reads += 1
        if "read" in self.broken:
            raise KafkaError("no brokers")
        return dict(self.values)

    async def write(self, values: dict[bytes, bytes]) -> None:
        """Keep them at once, and return a moment later."""
        if "write" in self.broken:
            raise KafkaError("no brokers")
        self.writes.append(dict(values))
        self.values |= values
        await asyncio.sleep(0)

    def of(self, partition: tuple[str, int]) -> Remembered:
        """What is stored of a partition."""
        return Remembered.from_bytes(self.values.get(f"mapping/group/{partition[0]}/{partition[1]}".encode()))


class Bench:
    """Marks over a store, with what they did."""

    def __init__(self, store: Store, probation: int = 1_000, assigned: tuple[Any, ...] = ()) -> None:
        self.store, self.now = store, 0.0
        self.tried: list[int] = []
        self.bounds: list[float] = []
        self.told: list[bool] = []
        self.stored_when_tried: list[Remembered] = []
        self.marks = RestartMarks(
            store,
            "group",
            try_alone=self.attempt,
            put_off=self.bounds.append,
            clock=lambda: self.now,
            probation=probation,
            tell=self.told.append,
            assigned=lambda: assigned,
        )

    def attempt(self, record: Any) -> None:
        """Note what is tried, and what was stored by then."""
        self.tried.append(record.offset)
        self.stored_when_tried.append(self.store.of(P))

    async def take(self, chunk: Chunk) -> frozenset[int]:
        """As the worker does."""
        hung = await self.marks.before(chunk)
        chunk.admitted = True
        self.marks.after(chunk)
        return hung


def chunk(partition: tuple[str, int], first: int, last: int, generation: int = 1, *, written: int = 1_000) -> Chunk:
    """A chunk of records without contents."""
    records = [SimpleNamespace(offset=offset, timestamp=written + offset) for offset in range(first, last + 1)]
    return Chunk(
        partition, generation, first, last, records, 0, 0.0, len(records),
        since=first, upto=last + 1, anew=False, unreadable="", oldest=0.0, fetched=0.0,
    )  # fmt: skip


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


async def test_what_ended_a_process_is_tried_alone_each_written_down_before() -> None:
    """Only the run that was being mapped, one by one, with a bound of their own."""
    store = Store()
    await Bench(store).marks.before(chunk(P, 5, 8))
    bench = Bench(store)
    assert await bench.take(chunk(P, 5, 12)) == frozenset()
    assert bench.tried == [5, 6, 7, 8]
    assert [(stored.alone, stored.last) for stored in bench.stored_when_tried] == [(5, 8), (6, 8), (7, 8), (8, 8)]
    assert set(bench.bounds) == {ALONE_SECONDS} == {10.0}, "a third of what the event loop may take by default"
    await bench.marks.close()
    assert store.of(P) == Remembered(busy=True)


async def test_what_ended_two_processes_alone_is_given_up_until_it_is_committed() -> None:
    """It is named to the intake and stays stored; the next assignment behind it has forgotten it."""
    store = Store()
    await Bench(store).marks.before(chunk(P, 5, 8))

    def end(_: Any) -> None:
        raise SystemExit

    for _ in range(2):
        dying = Bench(store)
        dying.marks._try_alone = end
        with pytest.raises(SystemExit):
            await dying.marks.before(chunk(P, 5, 8))
    bench = Bench(store, probation=1)
    assert await bench.take(chunk(P, 5, 8)) == {5}
    assert bench.tried == [6, 7, 8]
    await bench.marks.close()
    assert store.of(P) == Remembered(hung=(5,), busy=True, times=((5, 1_005),))
    assert await Bench(store).take(chunk(P, 5, 8)) == {5}, "it was not committed"
    assert await Bench(store).take(chunk(P, 9, 9)) == frozenset()


@pytest.mark.parametrize("deaths", [1, 2])
async def test_what_has_the_place_of_a_record_of_before_is_another(deaths: int) -> None:
    """A topic that was deleted and made again has other records at the same offsets: none inherits deaths, or is given up."""
    store = Store()

    def end(_: Any) -> None:
        raise SystemExit

    store.values[b"mapping/group/events/0"] = Remembered(5, 8, busy=True).to_bytes()
    for _ in range(deaths):
        dying = Bench(store)
        dying.marks._try_alone = end
        with pytest.raises(SystemExit):
            await dying.marks.before(chunk(P, 5, 8))
    with capture_logs() as logged:
        bench = Bench(store, probation=1)
        assert await bench.take(chunk(P, 0, 8, written=2_000)) == frozenset()
    assert [each["offset"] for each in logged if each["event"] == "restart_memory_forgotten"] == [5]
    assert bench.tried == [5, 6, 7, 8], "tried alone, as nobody can know"
    await bench.marks.close()
    assert store.of(P) == Remembered(busy=True)
    dying = Bench(store)
    store.values[b"mapping/group/events/0"] = Remembered(5, 8, busy=True).to_bytes()
    dying.marks._try_alone = end
    with pytest.raises(SystemExit):
        await dying.marks.before(chunk(P, 5, 8, written=2_000))
    assert await Bench(store).take(chunk(P, 5, 8, written=2_000)) == frozenset(), "its first death, not its third"


async def test_what_is_given_up_is_watched_for_until_it_comes() -> None:
    """The probation does not end before the record that must not be mapped."""
    store = Store()
    store.values[b"mapping/group/events/0"] = Remembered(hung=(30,)).to_bytes()
    bench = Bench(store)
    assert await bench.take(chunk(P, 5, 8)) == {30}
    assert bench.marks.watches(chunk(P, 9, 40))
    assert await bench.take(chunk(P, 9, 40)) == {30}
    assert not bench.marks.watches(chunk(P, 41, 42))
    await bench.marks.close()


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


def _held(store: Store, *partitions: tuple[str, int], **remembered: Any) -> Store:
    """A process died while it held these partitions."""
    for topic, number in partitions:
        store.values[f"mapping/group/{topic}/{number}".encode()] = Remembered(busy=True, **remembered).to_bytes()
    return store


@pytest.mark.parametrize(
    ("events", "seconds", "proved"), [(20, 0.0, True), (19, 0.0, False), (1, 15.0, True), (1, 14.9, False)]
)
async def test_probation_ends_at_its_bounds(events: int, seconds: float, proved: bool) -> None:
    """So many events of all partitions together, or fifteen seconds since the partition's first chunk."""
    bench = Bench(_held(Store(), P, Q), probation=30)
    await bench.take(chunk(P, 0, 9))
    bench.now = seconds
    await bench.take(chunk(P, 10, 9 + events))
    assert bench.marks.watches(chunk(P, 100, 109)) is not proved
    await bench.marks.close()


async def test_each_assignment_proves_itself() -> None:
    """What an assignment before it mapped does not count; a chunk without events counts as one."""
    store = _held(Store(), P)
    bench = Bench(store, probation=11)
    await bench.take(chunk(P, 0, 19))
    assert not bench.marks.watches(chunk(P, 20, 29))
    _held(store, P)
    await bench.take(chunk(P, 20, 29, 2))
    assert bench.marks.watches(chunk(P, 30, 39, 2))
    empty = chunk(P, 30, 39, 2)
    empty.unresolved = 0
    await bench.take(empty)
    assert not bench.marks.watches(chunk(P, 40, 49, 2))
    await bench.marks.close()


async def test_what_is_given_up_has_come_with_the_last_record_of_a_chunk() -> None:
    """Its offset is the chunk's last one: nothing has to be watched for any more."""
    bench = Bench(_held(Store(), P, hung=(8,)), probation=1)
    assert await bench.take(chunk(P, 5, 8)) == {8}
    assert not bench.marks.watches(chunk(P, 9, 12))
    await bench.marks.close()


def test_what_is_mapped_in_quick_succession_is_struck_out_together() -> None:
    """A write a chunk would be slow: within a twentieth of a second they share one."""

    async def main() -> None:
        store = _held(Store(), P, Q)
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


async def test_nothing_is_given_away_that_could_not_be_read() -> None:
    """What another process left there, suspects and deaths, would be lost."""
    store = _held(Store(), P, first=5, last=8)
    store.broken = {"read"}
    bench = Bench(store)
    await bench.take(chunk(P, 5, 8))
    await bench.marks.give_away(1.0)
    assert store.writes == []
    assert store.of(P).first == 5


@pytest.mark.parametrize("closes", [True, False])
async def test_trying_alone_ends_with_the_assignment_and_with_the_memory(closes: bool) -> None:
    """Revoked meanwhile, or nothing can be written down: the others of the run are not tried, and nothing more is stored."""
    store = _held(Store(), P, first=5, last=8)
    bench = Bench(store)
    one = chunk(P, 5, 12)
    attempt = bench.attempt

    def end(record: Any) -> None:
        attempt(record)
        one.closed = closes

    bench.marks._try_alone = end
    if not closes:
        store.broken = {"write"}
    await bench.marks.before(one)
    assert bench.tried == ([5] if closes else []), "without a mark nothing is tried alone"
    assert len(store.writes) == (1 if closes else 0)
    assert bench.told == [closes]


async def test_what_is_not_watched_is_not_struck_out() -> None:
    """A chunk of a partition that is unknown, of an assignment that is over, or after the probation."""
    bench = Bench(_held(Store(), P))
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
    store = _held(Store(), P)
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
    bench = Bench(_held(Store(), P))
    await bench.marks.before(chunk(P, 0, 9))

    async def fail(_: Any) -> None:
        raise ValueError("never seen before")

    bench.store.write = fail  # type: ignore[method-assign]
    bench.marks.after(chunk(P, 0, 9))
    await bench.marks.close()
    assert bench.store.of(P) == Remembered(0, 9, busy=True)


@pytest.mark.parametrize(
    ("remembered", "told"),
    [
        ({"first": 5, "last": 8}, [([5, 8], [])]),
        ({"hung": (7,)}, [([], [7])]),
        ({"first": 5, "last": 8, "hung": (7,)}, [([5, 8], [7])]),
        ({}, []),
    ],
)
async def test_what_ended_a_process_is_told_with_its_place(remembered: dict[str, Any], told: list[Any]) -> None:
    """One line a partition: what is to be tried alone, and what is given up; none where nothing is."""
    bench = Bench(_held(Store(), P, **remembered))
    with capture_logs() as logs:
        await bench.marks.before(chunk(P, 5, 12))
        await bench.marks.before(chunk(P, 13, 20))
    assert [(line["offsets"], line["given_up"]) for line in logs] == told
    assert {(line["topic"], line["partition"]) for line in logs} == ({("events", 0)} if told else set())


async def test_nothing_is_written_once_the_partitions_are_given_away() -> None:
    """A rebalance comes while suspects are tried one by one: whoever has the partition next must not count a death that was none."""
    store = Store()
    store.values[b"mapping/group/events/0"] = Remembered(10, 19, busy=True).to_bytes()
    bench = Bench(store)
    write, held = store.write, asyncio.Event()

    async def slow(values: dict[bytes, bytes]) -> None:
        if bench.tried:
            await held.wait()
        await write(values)

    store.write = slow  # type: ignore[method-assign]
    one = chunk(P, 10, 19)
    taking = asyncio.create_task(bench.take(one))
    await asyncio.sleep(0.01)
    assert bench.tried == [10]
    giving = asyncio.create_task(bench.marks.give_away(1.0))
    await asyncio.sleep(0.01)
    held.set()
    await giving
    await taking
    await bench.marks.close()
    assert store.of(P) == Remembered(11, 19)
    assert bench.tried == [10], "without a mark nothing is tried alone"


async def test_a_chunk_that_nobody_will_map_begins_nothing() -> None:
    """One of an assignment that is over reaches the stream late, or one is given twice: what is known of this one stays."""
    bench = Bench(Store())
    await bench.take(chunk(P, 0, 9, generation=2))
    late, twice = chunk(P, 0, 9, generation=1), chunk(P, 0, 9, generation=2)
    late.closed, twice.admitted = True, True
    assert not bench.marks.watches(late)
    assert not bench.marks.watches(twice)
    await bench.marks.close()
