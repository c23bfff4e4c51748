"""The lag meter over hours in an instant: how long it waits, how often it asks, and what it shows."""

import asyncio
import math
import time
from types import SimpleNamespace

import pytest

from bridge.kafka.consumer.client.kafka_client import Offsets
from bridge.kafka.consumer.lag import LagMeter
from bridge.kafka.consumer.ledger import Ledger
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop

P0 = ("t", 0)
FOUND = Offsets(0, 3, 10, None)


class _Brokers:
    """They answer after ``seconds`` with ``found``; keeps when they were asked."""

    def __init__(self, seconds=0.0, found=FOUND):
        self.seconds, self.found, self.asked, self.looked_back = seconds, found, [], []

    async def offsets(self, partitions):
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        return dict.fromkeys(partitions, self.found)

    async def refresh(self):
        raise RuntimeError("the topic is there")

    async def look_back(self):
        self.looked_back.append(asyncio.get_running_loop().time())


class _Meter:
    """A meter over one partition that is this worker's; ``watch`` runs it in virtual time and gives what it returns."""

    def __init__(self, brokers, **how):
        self.ledger, self.metrics = Ledger(), Metrics()
        self.ledger.open(1, {P0: None})
        self.brokers = brokers
        self.how = how

    def watch(self, *seconds, look=lambda meter: meter.total):
        async def run():
            loop = asyncio.get_running_loop()
            self.begun = loop.time()
            meter = LagMeter(self.brokers, self.ledger, self.metrics, clock=loop.time, **self.how)
            task = asyncio.create_task(meter.run())
            seen = []
            for until in seconds:
                await asyncio.sleep(self.begun + until - loop.time())
                seen.append(look(meter))
            task.cancel()
            return seen

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(run())

    @property
    def age(self):
        return self.metrics.event_age_seconds._value.get()


@pytest.mark.parametrize(
    ("seconds", "interval", "known"), [(9, 1.0, True), (11, 1.0, False), (25, 30.0, True), (31, 30.0, False)]
)
def test_the_brokers_have_ten_seconds_or_an_interval_for_an_answer(seconds, interval, known):
    """Later it is none: the figure would be of a moment that nobody can name."""
    meter = _Meter(_Brokers(seconds), interval=interval)
    assert meter.watch(seconds - 0.5, seconds + 0.5) == [None, 7 if known else None]


def test_the_first_figure_comes_soon_and_the_others_once_an_interval():
    """Without a partition there is nothing to ask about, and an operator waits."""
    meter = _Meter(_Brokers(), interval=5.0)
    meter.ledger.close([P0])

    def look(_meter):
        if not meter.ledger.assigned:
            meter.ledger.open(2, {P0: None})

    meter.watch(2.9, 18, look=look)
    assert [round(at - meter.begun, 3) for at in meter.brokers.asked] == [3.0, 8.0, 13.0]
    assert [round(at - meter.begun, 3) for at in meter.brokers.looked_back] == [2.0], "what was before may be gone"


def test_the_brokers_are_asked_once_a_second():
    """As long as nobody says otherwise."""
    meter = _Meter(_Brokers())
    meter.watch(2.5)
    assert [at - meter.begun for at in meter.brokers.asked] == [0.0, 1.0, 2.0]


def test_what_is_deleted_unread_is_no_lag():
    """Where the client's side has counted, that is the figure."""
    assert _Meter(_Brokers(found=FOUND._replace(waiting=2))).watch(0.5) == [2]


@pytest.mark.parametrize(("waiting", "ahead", "age"), [(2, 3_600, 0.0), (0, -3_600, 0.0)])
def test_the_age_of_events_is_never_below_nothing(waiting, ahead, age):
    """A producer's clock may be ahead of ours; and when nothing waits, nothing has an age."""
    meter = _Meter(_Brokers(found=FOUND._replace(waiting=waiting)))
    record = SimpleNamespace(timestamp=(time.time() + ahead) * 1_000)
    meter.ledger.admit(meter.ledger.register_chunk(P0, 1, [record], 1, first=3, last=3), 0)
    meter.watch(0.5)
    assert meter.age == age


def test_who_is_no_member_shows_no_age():
    """Its partitions may be another's by now, which shows it."""
    member = [True]
    meter = _Meter(_Brokers(found=FOUND._replace(waiting=2)), joined=lambda: member[0])
    record = SimpleNamespace(timestamp=time.time() * 1_000)
    meter.ledger.admit(meter.ledger.register_chunk(P0, 1, [record], 1, first=3, last=3), 0)

    def look(_meter):
        member[0] = False
        return math.isnan(meter.age)

    assert meter.watch(0.5, 1.5, look=look) == [False, True]


def test_a_group_that_has_committed_nothing_has_all_that_is_there_before_it():
    """It begins with the first record."""
    assert _Meter(_Brokers(found=Offsets(4, None, 10, None))).watch(0.5) == [6]
