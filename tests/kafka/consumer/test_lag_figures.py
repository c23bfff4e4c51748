"""Lag and ages as they are shown: for the partitions that this worker owns, and nothing where nothing is known."""

import asyncio
import math
import time
from types import SimpleNamespace

from aiokafka.errors import NodeNotReadyError
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import in_virtual_time

from bridge.kafka.consumer.client.kafka_client import Offsets
from bridge.kafka.consumer.lag import LagMeter, lag_of
from bridge.kafka.consumer.ledger import Ledger
from bridge.telemetry.metrics import Metrics

P0, P1 = ("t", 0), ("t", 1)


@given(st.integers(0, 99), st.none() | st.integers(0, 200), st.integers(0, 200))
def test_lag_counts_from_the_commit_or_the_first_record(first, committed, end):
    """Lag is never negative, and records that retention has removed are not waited for."""
    lag = lag_of(first, committed, end)
    assert lag == max(0, end - max(first, committed or 0))


@in_virtual_time
async def test_lag_is_shown_for_owned_partitions_only():
    """A partition that went to another worker leaves the metric."""
    ledger, metrics = Ledger(), Metrics()

    class _Source:
        away = False

        async def offsets(self, partitions):
            if self.away:
                raise NodeNotReadyError
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3))

    source = _Source()
    now = [0.0]
    meter = LagMeter(source, ledger, metrics, interval=0.01, clock=lambda: now[0])
    ledger.open(1, {P0: None, P1: None})
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert meter.total == 14
    ledger.open(2, {P1: None})
    await asyncio.sleep(0.05)
    assert meter.total == 7
    labels = {tuple(s.labels.values()) for s in next(iter(metrics.kafka_lag.collect())).samples}
    assert labels == {("t", "1")}
    source.away = True
    now[0] = 9.9
    await asyncio.sleep(0.1)
    assert not meter.unanswered
    now[0] = 10.0
    assert meter.unanswered, "ten seconds after the last answer, whether or not the question has failed yet"
    assert meter.total is None
    source.away = False
    await asyncio.sleep(0.05)
    assert not meter.unanswered
    task.cancel()


@in_virtual_time
async def test_a_lag_that_is_not_known_is_not_shown():
    """Between two assignments, and when brokers have stopped answering: no figure of before stands for one of now."""
    ledger, metrics, now = Ledger(), Metrics(), [0.0]

    class _Source:
        away, joined = False, True

        async def offsets(self, partitions):
            if self.away:
                raise NodeNotReadyError
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3))

    def shown():
        return metrics.registry.get_sample_value("bridge_kafka_lag", {"topic": "t", "partition": "0"})

    source = _Source()
    meter = LagMeter(source, ledger, metrics, interval=0.01, clock=lambda: now[0], joined=lambda: source.joined)
    ledger.open(1, {P0: None})
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (7, 7)
    source.joined = False
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (None, None)
    source.joined = True
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (7, 7)
    source.away = True
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (None, 7), "a moment without an answer is no outage"
    now[0] = 10.0
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (None, None)
    task.cancel()


@in_virtual_time
async def test_what_waits_in_a_partition_that_cannot_be_read_is_no_work():
    """It is told elsewhere, and no restart mends it: the watchdog must not end the worker over it again and again."""
    ledger, unreadable = Ledger(), set()

    class _Source:
        async def offsets(self, partitions):
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3))

    meter = LagMeter(_Source(), ledger, Metrics(), interval=0.01, unreadable=lambda: unreadable)
    assert not meter.movable
    ledger.open(1, {P0: None, P1: None})
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert (meter.total, meter.movable) == (14, True)
    unreadable.add(P0)
    assert (meter.total, meter.movable) == (14, True)
    unreadable.add(P1)
    assert (meter.total, meter.movable) == (14, False)
    task.cancel()


@in_virtual_time
async def test_a_topic_that_is_absent_is_looked_for():
    """Every two seconds while it is, and never while it is there: more workers than partitions is all right."""
    ledger, now, absent, looked, back = Ledger(), [0.0], [False], [], []

    class _Source:
        async def refresh(self):
            looked.append(now[0])

        async def look_back(self):
            back.append(now[0])

    meter = LagMeter(_Source(), ledger, Metrics(), interval=0.01, clock=lambda: now[0], absent=lambda: absent[0])
    task = asyncio.create_task(meter.run())
    for now[0] in (1.0, 3.0, 5.0, 6.5, 7.0):
        absent[0] = now[0] >= 5
        await asyncio.sleep(0.05)
    assert looked == [5.0, 7.0]
    assert back == [3.0, 5.0, 7.0], "what was assigned before may have gone with its topic, whether or not it is back"
    assert meter.total == 0
    task.cancel()


@in_virtual_time
async def test_the_marker_of_a_transaction_is_no_lag():
    """What lies behind the last record and is none does not wait for ever; what is open, or not committed yet, does."""
    ledger = Ledger()
    ledger.open(1, {P0: None})

    class _Source:
        async def offsets(self, partitions):
            return dict.fromkeys(partitions, Offsets(0, 3, 5, 5))

    meter = LagMeter(_Source(), ledger, Metrics(), interval=0.01)
    chunk = ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=0)], 1, first=3, last=3)
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.1)
    assert meter.total == 2, "one is open"
    ledger.admit(chunk, 0)
    await asyncio.sleep(0.1)
    assert meter.total == 2, "finished, but the commit has not succeeded"
    ledger.confirm(1, {P0: 4})
    await asyncio.sleep(0.1)
    assert meter.total == 0
    task.cancel()


@in_virtual_time
async def test_a_worker_that_has_finished_nothing_shows_how_long_events_wait():
    """Started anew while AEP is away, it shows the age of what it holds; then of the newest that is acknowledged."""
    ledger, metrics = Ledger(), Metrics()
    ledger.open(1, {P0: None})

    class _Source:
        async def offsets(self, partitions):
            return dict.fromkeys(partitions, Offsets(0, 0, 9, 2))

    an_hour_ago, now = (time.time() - 3_600) * 1_000, time.time() * 1_000
    first, second = (
        ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=at)], 1, first=n, last=n)
        for n, at in enumerate([an_hour_ago, now])
    )
    task = asyncio.create_task(LagMeter(_Source(), ledger, metrics, interval=0.01).run())
    await asyncio.sleep(0.1)
    assert 3_590 < metrics.event_age_seconds._value.get() < 3_700
    for chunk in (first, second):
        ledger.admit(chunk, 0)
    await asyncio.sleep(0.1)
    assert metrics.event_age_seconds._value.get() < 60
    task.cancel()


@in_virtual_time
async def test_what_is_not_known_is_not_shown():
    """Before there are partitions, and after brokers have been silent for ten seconds, neither lag nor age are numbers."""
    ledger, metrics = Ledger(), Metrics()

    class _Source:
        away = False

        async def offsets(self, partitions):
            if self.away:
                raise NodeNotReadyError
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3, None))

    def shown():
        age = metrics.event_age_seconds._value.get()
        return len(next(iter(metrics.kafka_lag.collect())).samples), math.isnan(age)

    source, now = _Source(), [0.0]
    meter = LagMeter(source, ledger, metrics, interval=0.01, clock=lambda: now[0])
    assert (shown(), meter.lags) == ((0, True), None)
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert shown() == (0, True), "no partition, no lag"
    ledger.open(1, {P0: None, P1: None})
    await asyncio.sleep(0.05)
    assert (shown(), meter.lags) == ((2, False), {P0: 7, P1: 7})
    source.away, now[0] = True, 9.0
    await asyncio.sleep(0.05)
    assert (shown(), meter.lags) == ((2, False), None), "a moment without an answer is a rebalance"
    now[0] = 10.0
    await asyncio.sleep(0.05)
    assert (shown(), meter.silent) == ((0, True), 10.0)
    source.away = False
    await asyncio.sleep(0.05)
    assert (shown(), meter.silent) == ((2, False), 0.0)
    task.cancel()
