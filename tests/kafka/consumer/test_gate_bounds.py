"""The gate's bounds: what closes it, what opens it again, and which partitions take turns."""

import asyncio
from types import SimpleNamespace

from virtual_time import in_virtual_time

from bridge.kafka.consumer.gate import FETCH_BYTES, Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.telemetry.metrics import Metrics

P0, P1 = ("t", 0), ("t", 1)


def _gate(*, max_events=100, max_bytes=10_000_000, blocked=False):
    ledger, state = Ledger(), SimpleNamespace(blocked=blocked)
    ledger.open(1, {P0: None, P1: None})
    gate = Gate(
        ledger,
        max_events=max_events,
        max_bytes=max_bytes,
        blocked=lambda: state.blocked,
        evidence=lambda _ahead: 0,
        metrics=Metrics(),
    )
    return ledger, gate, state


def _fetch(ledger, partition, first, count, weight=1):
    records = [SimpleNamespace(timestamp=0)] * count
    return ledger.register_chunk(partition, 1, records, weight, first=first, last=first + count - 1)


@in_virtual_time
async def test_the_gate_closes_at_its_bounds_and_opens_when_there_is_room():
    """Events and bytes bound what is under way; an acknowledgement opens again."""
    ledger, gate, _ = _gate()
    assert gate.admitted([P0, P1]) == {P0, P1}
    chunk = _fetch(ledger, P0, 0, 100)
    assert gate.admitted([P0, P1]) == set()
    waiting = asyncio.create_task(gate.wait(5))
    await asyncio.sleep(0)
    ledger.admit(chunk, 100)
    ledger.resolve(chunk, 60)
    gate.freed()
    await asyncio.wait_for(waiting, 1)
    assert gate.admitted([P0]) == {P0}
    assert gate.room == 60
    _fetch(ledger, P1, 0, 1, weight=20_000_000)
    assert not gate.open


@in_virtual_time
async def test_few_chunks_wait_to_be_mapped():
    """Four that nobody has taken yet close the gate for every partition; one that is taken opens it and wakes who waits."""
    ledger, gate, _ = _gate()
    chunks = [_fetch(ledger, P0, first, 1) for first in range(4)]
    assert gate.admitted([P0, P1]) == set()
    assert not await gate.wait(0.01), "nothing was taken"
    waiting = asyncio.create_task(gate.wait(5))
    await asyncio.sleep(0)
    ledger.admit(chunks[0], 1)
    gate.freed()
    assert await asyncio.wait_for(waiting, 1)
    assert gate.admitted([P0, P1]) == {P0, P1}
    _fetch(ledger, P1, 0, 1)
    ledger.close([P0])
    assert gate.open, "those of a partition that is gone do not count"


async def test_a_partition_that_is_held_up_waits_alone():
    """One open event at the head of a partition: it pauses at its span, the other goes on."""
    ledger, gate, _ = _gate(max_events=50)
    _fetch(ledger, P0, 0, 1)
    for first in range(1, 100, 10):
        chunk = _fetch(ledger, P0, first, 10)
        ledger.admit(chunk, 10)
        ledger.resolve(chunk, 10)
    assert ledger.events == 1
    assert gate.admitted([P0, P1]) == {P1}


async def test_while_the_destination_is_away_only_probes_are_fetched():
    """An open circuit leaves a tenth of the bounds."""
    ledger, gate, state = _gate(max_events=100, blocked=True)
    _fetch(ledger, P0, 0, 10)
    assert not gate.open
    state.blocked = False
    assert gate.open


async def test_many_partitions_take_turns_for_the_room_in_bytes():
    """With room for two full fetches two of five partitions are asked, and each has its turn."""
    ledger, gate, _ = _gate(max_bytes=2 * FETCH_BYTES)
    five = [("t", n) for n in range(5)]
    rounds = [gate.admitted(five) for _ in range(5)]
    assert all(len(some) == 2 for some in rounds)
    assert set().union(*rounds) == set(five)
    gate.shut()
    assert gate.admitted(five) == set()
    assert ledger.events == 0
