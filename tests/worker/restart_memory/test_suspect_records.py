"""Records during which a process ended: mapped alone, given up after two deaths, and forgotten once they are committed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from awaiting import until
from marks_bench import Bench, P, Store, chunk, held_by_a_dead_process
from structlog.testing import capture_logs

from bridge.worker.restart_memory.marks import ALONE_SECONDS
from bridge.worker.restart_memory.memory import Remembered


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


async def test_what_is_given_up_has_come_with_the_last_record_of_a_chunk() -> None:
    """Its offset is the chunk's last one: nothing has to be watched for any more."""
    bench = Bench(held_by_a_dead_process(Store(), P, hung=(8,)), probation=1)
    assert await bench.take(chunk(P, 5, 8)) == {8}
    assert not bench.marks.watches(chunk(P, 9, 12))
    await bench.marks.close()


async def test_nothing_is_given_away_that_could_not_be_read() -> None:
    """What another process left there, suspects and deaths, would be lost."""
    store = held_by_a_dead_process(Store(), P, first=5, last=8)
    store.broken = {"read"}
    bench = Bench(store)
    await bench.take(chunk(P, 5, 8))
    await bench.marks.give_away(1.0)
    assert store.writes == []
    assert store.of(P).first == 5


@pytest.mark.parametrize("closes", [True, False])
async def test_trying_alone_ends_with_the_assignment_and_with_the_memory(closes: bool) -> None:
    """Revoked meanwhile, or nothing can be written down: the others of the run are not tried, and nothing more is stored."""
    store = held_by_a_dead_process(Store(), P, first=5, last=8)
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
    bench = Bench(held_by_a_dead_process(Store(), P, **remembered))
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
    await until(lambda: bench.tried == [10])
    giving = asyncio.create_task(bench.marks.give_away(1.0))
    await asyncio.sleep(0.01)
    held.set()
    await giving
    await taking
    await bench.marks.close()
    assert store.of(P) == Remembered(11, 19)
    assert bench.tried == [10], "without a mark nothing is tried alone"
