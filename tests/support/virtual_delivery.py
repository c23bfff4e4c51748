"""Delivery in virtual time: a destination double that answers as told, and hours that pass in a moment."""

import asyncio
from collections import Counter
from random import Random

from bridge.delivery.delivery import Delivery
from bridge.model.delivery_policy import DeliveryPolicy
from bridge.model.verdicts import ACCEPTED, AllAccepted, Answered
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop

OK = AllAccepted()


class Destination:
    """Answers each request by ``answer(items, number)``; keeps what it accepted and when each request came."""

    name, max_request_bytes, max_request_events, frame_bytes, separator_bytes = "double", 1_000, 50, 10, 1

    def __init__(self, answer, seconds=0.05):
        self.answer, self.seconds = answer, seconds
        self.accepted, self.requests, self.under_way, self.most = Counter(), [], 0, 0

    async def send(self, items):
        """One request."""
        number = len(self.requests)
        self.requests.append((asyncio.get_running_loop().time(), list(items)))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
            outcome = self.answer(items, number)
        finally:
            self.under_way -= 1
        if outcome is OK:
            self.accepted.update(items)
        elif isinstance(outcome, Answered):
            self.accepted.update(item for item, v in zip(items, outcome.verdicts, strict=False) if v is ACCEPTED)
        return outcome


class Resolutions:
    """Counts verdicts by owner."""

    def __init__(self):
        self.done, self.dead, self.lost = Counter(), [], set()

    def accepted(self, owner, places):
        """Delivered."""
        self.done[owner] += len(places)

    def rejected(self, owner, event, rejected, attempts):
        """Dead letter."""
        self.dead.append((owner, event, rejected.code, attempts))

    def gone(self, owner):
        """Revoked."""
        return owner in self.lost


def run(answer, work, *, seconds=0.05, **policy):
    """Deliver in virtual time; ``work(delivery, destination, resolutions)`` feeds and observes."""

    async def main():
        destination, resolutions, failures = Destination(answer, seconds), Resolutions(), []
        clock = asyncio.get_running_loop().time
        metrics = Metrics()
        delivery = Delivery(
            destination, resolutions, DeliveryPolicy(linger=0.2, **policy), metrics,
            clock=clock, random=Random(7), on_failure=failures.append,
        )  # fmt: skip
        delivery.start()
        try:
            await work(delivery, destination, resolutions)
        finally:
            await delivery.stop()
        assert not failures
        return destination, resolutions, metrics

    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def events(start, count):
    """Distinct encoded events."""
    return [b"%05d" % n for n in range(start, start + count)]


async def settle(delivery, seconds=3_600.0):
    """Wait until nothing is left, for so long at most; seen within a tenth of the time that it takes, and a second."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while delivery.events and clock() < began + seconds:  # noqa: ASYNC110 - it is the clock that is watched
        await asyncio.sleep(min(max(0.05, (clock() - began) / 10), 1.0))


def feed(count, owners=1):
    """Offer so many events of each owner and wait for the end."""

    async def work(delivery, _destination, _resolutions):
        for owner in range(owners):
            delivery.offer(owner, events(owner * 10_000, count))
        await settle(delivery)

    return work
