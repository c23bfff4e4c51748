"""When delivery sends, in virtual time: past a slow request, in order by key, within the limits, and no more for a lost owner."""

import asyncio
from random import Random

from virtual_delivery import OK, Destination, Resolutions, events, feed, run, settle

from bridge.delivery.delivery import Delivery
from bridge.model.delivery_policy import DeliveryPolicy
from bridge.model.verdicts import Transient, Unexplained
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop


def test_a_slow_request_holds_no_other():
    """One request hangs for a minute; hundreds of others go past it."""

    class Hanging(Destination):
        async def send(self, items):
            if b"00000" in items:
                await asyncio.sleep(60)
            return await super().send(items)

    async def main():
        destination, resolutions = Hanging(lambda *_: OK), Resolutions()
        delivery = Delivery(
            destination, resolutions, DeliveryPolicy(linger=0.1), Metrics(), clock=asyncio.get_running_loop().time
        )
        delivery.start()
        for owner in range(100):
            delivery.offer(owner, events(owner * 100, 50))
        await asyncio.sleep(30)
        assert sum(resolutions.done.values()) == 99 * 50
        await settle(delivery)
        assert sum(resolutions.done.values()) == 100 * 50
        await delivery.stop()

    loop = VirtualLoop()
    loop.run_until_complete(main())
    loop.close()


def test_order_by_key_holds_through_failures_and_bisection():
    """Ordering by key: per key events are accepted in their order, and no lane has two requests under way."""
    rng = Random(3)
    order = []

    def answer(items, _number):
        luck = rng.random()
        if luck < 0.2:
            return Transient("http_503")
        if luck < 0.25 and len(items) > 1:
            return Unexplained("aep_400", "bad")
        order.extend(items)
        return OK

    async def work(delivery, _destination, _resolutions):
        for owner in range(40):
            items = events(owner * 100, 50)
            delivery.offer(owner, items, [int(item) % 7 for item in items])
        await settle(delivery)
        assert not delivery.events

    run(answer, work, by_key=True, ceiling=4)
    assert len(order) == 2_000
    for lane in range(7):
        mine = [int(item) for item in order if int(item) % 7 == lane]
        assert mine == sorted(mine)


def test_rate_limits_hold_and_are_counted():
    """Requests a second and events a second are kept, and the waiting is visible."""
    destination, resolutions, metrics = run(lambda *_: OK, feed(500, owners=10), events_per_second=500.0)
    assert sum(resolutions.done.values()) == 5_000
    took = destination.requests[-1][0] - destination.requests[0][0]
    assert took >= 5_000 / 500 - 1
    assert metrics.rate_limited_seconds.labels("events")._value.get() > took * 0.5


def test_concurrency_adapts_under_its_ceiling():
    """Many quick answers raise the number under way to the ceiling and never above."""
    destination, _, _ = run(lambda *_: OK, feed(5_000, owners=4), ceiling=6)
    assert destination.most == 6


def test_events_of_a_revoked_partition_are_not_sent_any_more():
    """What has not left when its owner is gone never leaves."""

    async def work(delivery, destination, resolutions):
        delivery.offer("mine", events(0, 20))
        delivery.offer("theirs", events(100, 20))
        resolutions.lost.add("theirs")
        await settle(delivery)
        assert set(destination.accepted) == set(events(0, 20))

    run(lambda *_: OK, work)


def test_flush_sends_what_lingers():
    """A drain does not wait for requests to fill."""

    async def work(delivery, destination, _resolutions):
        delivery.offer(0, events(0, 10))
        delivery.flush()
        await asyncio.sleep(0.1)
        assert sum(destination.accepted.values()) == 10
        delivery.linger()
        delivery.offer(0, events(100, 10))
        await asyncio.sleep(0.1)
        assert sum(destination.accepted.values()) == 10

    run(lambda *_: OK, work)


def test_a_share_of_the_limits_is_kept_and_follows_the_assignment():
    """With a third of the limit it takes three times as long; when the part grows to all, the rate follows at once."""
    part = 1 / 3

    async def work(delivery, destination, _resolutions):
        nonlocal part
        for owner in range(10):
            delivery.offer(owner, events(owner * 10_000, 300))
        await asyncio.sleep(6)
        assert 900 <= sum(destination.accepted.values()) <= 1_200
        part = 1.0
        await asyncio.sleep(2)
        assert 1_800 <= sum(destination.accepted.values()) <= 2_300

    run(lambda *_: OK, work, events_per_second=500.0, share=lambda: part)
