"""Whether each partition gets on: ages, standstill, what is postponed and what is lost, each named with its place."""

import asyncio
from collections import deque
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from bridge.delivery.batching import Batch, Run
from bridge.delivery.delivery import Delivery
from bridge.kafka.consumer.ledger import Ledger
from bridge.model.delivery_policy import DeliveryPolicy
from bridge.model.verdicts import ACCEPTED, Answered, Transient
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.event_places import place
from bridge.worker.watch.ages import Ages
from bridge.worker.watch.progress import Progress
from bridge.worker.watch.standstill import Standstill

P0, P1 = ("t", 0), ("t", 1)


class _Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now=1_000.0):
        self.now = now

    def __call__(self):
        return self.now


def _ledger(clock=None, partitions=(P0, P1)):
    ledger = Ledger(clock or _Clock())
    ledger.open(1, dict.fromkeys(partitions))
    return ledger


def _fetch(ledger, partition, first, *, count=1, timestamp=0.0):
    records = [SimpleNamespace(timestamp=timestamp * 1_000, offset=first + row) for row in range(count)]
    return ledger.register_chunk(partition, 1, records, 1, first=first, last=first + count - 1)


def _finish(ledger, chunk):
    ledger.admit(chunk, 0)


def test_the_age_is_the_larger_of_both_clocks():
    """A record's own time counts, and the time since it was fetched when that is wrong; never below 0."""
    clock = _Clock()
    ledger = _ledger(clock)
    _fetch(ledger, P0, 0, timestamp=5_000.0)
    assert Ages(ledger, 0.0).at(clock.now, 5_030.0, {P1: 0}) == {P0: 30.0, P1: 0.0}
    clock.now += 40
    assert Ages(ledger, 0.0).at(clock.now, 5_030.0, None) == {P0: 40.0}, "of the other nothing is known"
    assert Ages(ledger, 0.0).at(1_000.0, 4_000.0, None) == {P0: 0.0}, "a writer's clock that is ahead"
    ages = Ages(ledger, clock.now)
    for _ in range(2):
        assert ages.at(clock.now, 5_030.0, {P0: 7}) == {P0: 40.0}, "whatever lies behind it in Kafka"


@pytest.mark.parametrize("timestamp", [-0.001, 0.0])
def test_a_record_without_a_time_counts_since_it_was_fetched(timestamp):
    """Timestamp -1 or 0 is none: fifty years would be told otherwise."""
    clock = _Clock()
    ledger = _ledger(clock, [P0])
    _fetch(ledger, P0, 0, timestamp=timestamp)
    clock.now += 0.5
    assert Ages(ledger, 0.0).at(clock.now, 1.7e9, None) == {P0: 0.5}


def test_any_time_after_1970_is_a_time():
    """Half a second after it too."""
    ledger = _ledger(partitions=[P0])
    _fetch(ledger, P0, 0, timestamp=0.5)
    assert Ages(ledger, 0.0).at(1_000.0, 100.0, None) == {P0: 99.5}


def test_the_age_is_that_of_the_oldest_chunk_and_of_its_first_record():
    """Later chunks that are finished do not make it younger; the finished head does."""
    ledger = _ledger(partitions=[P0])
    first = _fetch(ledger, P0, 0, count=2, timestamp=100.0)
    _finish(ledger, _fetch(ledger, P0, 2, timestamp=200.0))
    _fetch(ledger, P0, 3, timestamp=300.0)
    ages = Ages(ledger, 0.0)
    assert ages.at(1_000.0, 400.0, None) == {P0: 300.0}
    _finish(ledger, first)
    assert ages.at(1_000.0, 400.0, None) == {P0: 100.0}


def test_what_lies_in_kafka_unfetched_counts_since_its_lag_began_or_moved():
    """Never 0 while there is a lag; progress begins anew, and a moment without an answer does not."""
    ledger = _ledger(partitions=[P0])
    ages = Ages(ledger, 0.0)
    assert ages.at(1.0, 0.0, {P0: 5}) == {P0: 1.0}, "since the worker began"
    assert ages.at(8.0, 0.0, {P0: 0}) == {P0: 0.0}
    assert ages.at(9.0, 0.0, {P0: 0}) == {P0: 0.0}
    assert ages.at(10.0, 0.0, {P0: 5}) == {P0: 1.0}
    assert ages.at(25.0, 0.0, {P0: 5}) == {P0: 16.0}
    assert ages.at(26.0, 0.0, None) == {}
    assert ages.at(30.0, 0.0, {P0: 9}) == {P0: 21.0}
    _finish(ledger, _fetch(ledger, P0, 0))
    assert ages.at(31.0, 0.0, {P0: 8}) == {P0: 1.0}
    assert ages.at(33.0, 0.0, {P0: 8}) == {P0: 3.0}
    assert ages.at(34.0, 0.0, {P0: 0}) == {P0: 0.0}
    assert ages.at(40.0, 0.0, {P0: 1}) == {P0: 6.0}
    ledger.close([P0])
    assert ages.at(41.0, 0.0, {}) == {}


def test_a_partition_that_stands_still_is_told_whatever_others_do():
    """Ten seconds without progress while busy; progress, idleness and a hold each begin anew; 0 is never."""
    still = Standstill(10)
    assert still.check(0, {P0: 1, P1: 1}, held=False) == {}
    assert still.check(9.9, {P0: 1, P1: 2}, held=False) == {}
    assert still.check(10, {P0: 1, P1: 3}, held=False) == {P0: 10}
    assert still.check(12, {P0: 2, P1: 3}, held=False) == {}
    assert still.check(19, {P1: 3}, held=False) == {}
    assert still.check(20, {P0: 2, P1: 3}, held=False) == {P1: 10}, "the other one was idle in between"
    assert still.check(21, {P0: 2, P1: 3}, held=True) == {}
    assert still.check(30, {P0: 2, P1: 3}, held=False) == {}
    assert still.check(40, {P0: 2, P1: 3}, held=False) == {P0: 10, P1: 10}
    never = Standstill(0)
    assert never.check(0, {P0: 1}, held=False) == never.check(1e9, {P0: 1}, held=False) == {}


class _Delivery:
    """What Progress asks of delivery."""

    def __init__(self):
        self.holding, self.stuck = set(), []

    def owners(self):
        """Whose events are inside."""
        return self.holding

    def held_up(self):
        """What is postponed."""
        return self.stuck


def _progress(ledger, delivery, letters=(), *, clock, seconds=10.0):
    metrics = Metrics()
    return Progress(ledger, delivery, letters, metrics, stall_seconds=seconds, clock=clock, wall=lambda: 0.0), metrics


def _stalled(*, admitted=True, holding=True, letters=(), fetched_late=False):
    """A partition that has not moved for the time that is too long: where an event is lost."""
    clock = _Clock()
    ledger, delivery = _ledger(clock, [P0]), _Delivery()
    progress, _ = _progress(ledger, delivery, letters, clock=clock)
    if fetched_late:
        progress.lost({P0: 1}, held=False)
        clock.now += 10
    chunk = _fetch(ledger, P0, 7)
    if admitted:
        ledger.admit(chunk, 1)
    if holding:
        delivery.holding.add(chunk)
    if not fetched_late:
        progress.lost({P0: 1}, held=False)
        clock.now += 10
    return progress.lost({P0: 1}, held=False), progress


def test_what_nobody_holds_is_lost_and_ends_the_worker():
    """An admitted chunk that neither delivery nor the dead letters know, or one that the stream has dropped, by its place."""
    told = "no part of the worker holds the events of t[0] from offset 7 on"
    assert _stalled(holding=False)[0] == told
    assert _stalled(admitted=False, holding=False)[0] == told
    assert _stalled(admitted=False, holding=False, letters=(1,))[0] == told, "no letter is of what was never looked at"


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"holding": False, "letters": (1,)},
        {"holding": False, "fetched_late": True},
        {"admitted": False, "fetched_late": True},
    ],
)
def test_what_somebody_holds_is_told_and_not_lost(state):
    """Delivery or the dead letters still have it, or it has just been fetched: unready with the partition, no end."""
    lost, progress = _stalled(**state)
    assert lost == ""
    assert progress.standing() == "nothing finished in t[0] for 10 s"


def test_a_lag_that_nobody_fetches_is_told():
    """Nothing of the partition is open, and it does not move: named after the time, gone with the first progress."""
    clock = _Clock()
    ledger = _ledger(clock)
    progress, _ = _progress(ledger, _Delivery(), clock=clock)
    with capture_logs() as logs:
        for _ in range(13):
            assert progress.lost({P0: 4, P1: 0}, held=False) == ""
            clock.now += 1
        assert progress.standing() == "nothing finished in t[0] for 12 s"
        _finish(ledger, _fetch(ledger, P0, 0))
        progress.lost({P0: 3}, held=False)
        assert progress.standing() is None
    assert [(line["event"], line["partitions"]) for line in logs] == [
        ("partitions_stand_still", ["t[0]"]),
        ("partitions_move_again", ["t[0]"]),
    ]


def test_what_was_fetched_stands_still_also_while_the_lag_is_not_known():
    """Brokers that do not answer for a moment begin nothing anew; a hold that is told elsewhere does."""
    clock = _Clock()
    ledger, delivery = _ledger(clock), _Delivery()
    progress, _ = _progress(ledger, delivery, clock=clock)
    chunk = _fetch(ledger, P0, 0)
    ledger.admit(chunk, 1)
    delivery.holding.add(chunk)
    for lags in (None, {P0: 1}, None):
        assert progress.lost(lags, held=False) == ""
        clock.now += 5
    assert progress.standing() == "nothing finished in t[0] for 10 s"
    progress.lost(None, held=True)
    assert progress.standing() is None


def test_events_that_begin_to_be_postponed_together_are_one_line():
    """The first with its place and the number of all; those that follow within ten seconds wait for the next line."""
    clock = _Clock()
    ledger, delivery = _ledger(clock), _Delivery()
    progress, metrics = _progress(ledger, delivery, clock=clock)

    def stuck(first, count):
        chunk = _fetch(ledger, P0, first, count=count)
        chunk.places.extend(place(row, None) for row in range(count))
        batch = Batch(0, 0, 0.0, [b""] * count, [Run(chunk, 0, count)])
        since = clock.now - 20
        delivery.stuck.append(
            SimpleNamespace(batch=batch, told=False, tries=10, reason="AEP answered 408: x", since=since)
        )

    with capture_logs() as logs:
        progress.show(None)
        stuck(5, 2)
        stuck(7, 1)
        progress.show(None)
        stuck(8, 1)
        for _ in range(9):
            clock.now += 1
            progress.show(None)
        assert len(logs) == 1
        clock.now += 1
        progress.show(None)
        assert len(logs) == 2
        clock.now += 60
        progress.show(None)
    assert [(line["offset"], line["events"], line["answer"]) for line in logs] == [
        (5, 3, "AEP answered 408"),
        (8, 1, "AEP answered 408"),
    ]
    assert metrics.postponed_events._value.get() == 4
    assert progress.postponed() == (
        "4 events are postponed while others are accepted, the first for 90 s and 10 tries: t[0] offset 5: AEP answered 408"
    )


@pytest.mark.parametrize(("partitions", "end"), [(5, "t[4] for 10 s"), (6, "t[4] for 10 s and 1 more")])
def test_many_partitions_are_counted(partitions, end):
    """A reason stays readable with hundreds of partitions."""
    clock = _Clock()
    many = [("t", number) for number in range(partitions)]
    progress, _ = _progress(_ledger(clock, many), _Delivery(), clock=clock)
    lags = dict.fromkeys(many, 1)
    progress.lost(lags, held=False)
    clock.now += 10
    progress.lost(lags, held=False)
    assert progress.standing().endswith(end)


def test_one_event_is_named_by_the_place_that_is_still_ours():
    """Of a request whose first events went to another worker, the first of those that are left."""
    clock = _Clock()
    ledger, delivery = _ledger(clock), _Delivery()
    progress, _ = _progress(ledger, delivery, clock=clock)
    chunks = [_fetch(ledger, P0, 7), _fetch(ledger, P1, 30)]
    for chunk in chunks:
        chunk.places.append(place(0, None))
    # The item of one partition stands for an event of another, too.
    batch = Batch(0, 0, 0.0, [b""], [Run(chunks[0], 0, 1)], folded={0: [(chunks[1], 0)]})
    delivery.stuck.append(SimpleNamespace(batch=batch, tries=10, reason="AEP answered 408: x", since=clock.now - 20))
    told = " postponed while others are accepted, the first for 20 s and 10 tries: "
    assert progress.postponed() == f"2 events are{told}t[0] offset 7: AEP answered 408"
    ledger.close([P0])
    assert progress.postponed() == f"2 events are{told}t[1] offset 30: AEP answered 408"
    batch.folded.clear()
    assert progress.postponed() == f"1 event is{told}t[0] offset 7: AEP answered 408"


def test_metrics_of_ages_follow_the_assignment():
    """A partition that went to another worker leaves the metric."""
    clock = _Clock()
    ledger = _ledger(clock)
    progress, metrics = _progress(ledger, _Delivery(), clock=clock)
    _fetch(ledger, P0, 0)
    clock.now += 30
    progress.show({P0: 0, P1: 0})
    assert metrics.oldest_open_seconds.labels("0")._value.get() == 30
    ledger.open(2, {P1: None})
    progress.show({P1: 0})
    labels = [s.labels["partition"] for s in next(iter(metrics.oldest_open_seconds.collect())).samples]
    assert labels == ["1"]


def test_postponed_events_are_named_once_with_their_place_and_without_the_destinations_words():
    """Reason and one log line: topic, partition, offset, answer, tries; what follows the answer may quote the event."""
    told = []

    async def main():
        clock = asyncio.get_running_loop().time
        ledger = Ledger(clock)
        ledger.open(1, {P0: None, P1: None})
        metrics = Metrics()

        class Double:
            name, max_request_bytes, max_request_events, frame_bytes, separator_bytes = "double", 1_000, 50, 10, 1

            async def send(self, items):
                busy = Transient("AEP answered 503 for this event: asha.k@example.com is busy")
                return Answered([busy if item.startswith(b"bad") else ACCEPTED for item in items])

        class Told:
            def accepted(self, owner, places):
                ledger.resolve(owner, len(places))

            def gone(self, owner):
                return owner.closed

        delivery = Delivery(Double(), Told(), DeliveryPolicy(linger=0.1), metrics, clock=clock)
        progress = Progress(ledger, delivery, deque(), metrics, stall_seconds=15.0, clock=clock)
        delivery.start()

        def offer(partition, first, *items):
            chunk = _fetch(ledger, partition, first, count=len(items))
            chunk.places.extend(place(row, None) for row in range(len(items)))
            ledger.admit(chunk, len(items))
            delivery.offer(chunk, items)

        offer(P0, 40, b"good", b"bad-1", b"bad-2")
        for second in range(60):
            offer(P1, second, b"good")
            await asyncio.sleep(1)
            progress.show({P0: 3, P1: 0})
            assert progress.lost({P0: 3, P1: 0}, held=False) == ""
        told.append(progress.postponed())
        assert progress.standing() is None, "its partition stands still for a reason that is named"
        assert metrics.postponed_events._value.get() == 2
        ledger.close([P0])
        assert progress.postponed() is None, "it is another worker's now"
        await delivery.stop()

    loop = VirtualLoop()
    with capture_logs() as logs:
        loop.run_until_complete(main())
    loop.close()
    assert told[0].startswith("2 events are postponed while others are accepted, the first for ")
    assert told[0].endswith(" tries: t[0] offset 41: AEP answered 503 for this event")
    [line] = [line for line in logs if line["event"] == "events_postponed"]
    assert (line["events"], line["topic"], line["partition"], line["offset"]) == (2, "t", 0, 41)
    assert line["answer"] == "AEP answered 503 for this event"
    assert 3 <= line["tries"] <= 20
    assert "partitions_stand_still" not in [line["event"] for line in logs]
    assert "example.com" not in str([line for line in logs if line["event"] == "events_postponed"]) + told[0]
