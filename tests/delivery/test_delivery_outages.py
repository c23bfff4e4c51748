"""Outages and limits in the forms that are easily taken for something else."""

import asyncio

from test_delivery_outcomes import OK, feed, run

from bridge.model.verdicts import AllAccepted, Answered, Throttled, Transient


def test_an_outage_told_event_by_event_is_waited_out():
    """207 with 500 for every event, of every request, for ten minutes: no event is guilty, and all is delivered after."""
    blocked = []

    def answer(items, _number):
        now = asyncio.get_running_loop().time()
        return Answered([Transient("item_500", data_suspect=True)] * len(items)) if now < 1_600 else OK

    async def work(delivery, destination, resolutions):
        feeding = asyncio.create_task(feed(20, owners=4)(delivery, destination, resolutions))
        await asyncio.sleep(300)
        blocked.append(delivery.blocked)
        await feeding

    destination, resolutions, _ = run(answer, work)
    assert blocked == [True]
    assert not resolutions.dead
    assert resolutions.done == dict.fromkeys(range(4), 20)
    assert set(destination.accepted.values()) == {1}


def test_the_wait_is_counted_for_the_limit_that_bit():
    """With room for many requests and few events all of the waiting is for events."""
    _, _, metrics = run(
        lambda *_: AllAccepted(), feed(500), events_per_second=100.0, requests_per_second=1_000.0, ceiling=1
    )
    waited = {name: metrics.rate_limited_seconds.labels(name)._value.get() for name in ("events", "requests")}
    assert waited["events"] > 3
    assert waited["requests"] == 0


def test_a_pause_that_was_asked_for_is_told():
    """While AEP's Retry-After runs, delivery says that it pauses; the circuit is closed all the same."""
    seen = []

    async def work(delivery, destination, resolutions):
        feeding = asyncio.create_task(feed(5)(delivery, destination, resolutions))
        await asyncio.sleep(10)
        seen.append((delivery.paused, delivery.blocked))
        await feeding
        seen.append((delivery.paused, delivery.blocked))

    run(lambda _items, number: Throttled(429, 500.0) if number == 0 else OK, work)
    assert seen == [(True, False), (False, False)]


def test_a_wait_for_a_rate_limit_is_told_as_a_pause():
    """A low limit lets one request through in minutes: what waits for it has not stalled; with nothing to wait for it is over."""
    seen = []

    async def work(delivery, destination, resolutions):
        feeding = asyncio.create_task(feed(100)(delivery, destination, resolutions))
        for _ in range(3):
            await asyncio.sleep(150)
            seen.append((delivery.paused, sum(destination.accepted.values())))
        await feeding
        await asyncio.sleep(600)
        seen.append((delivery.paused, sum(destination.accepted.values())))

    run(lambda *_: OK, work, events_per_second=0.1)
    assert seen == [(True, 50), (True, 50), (True, 50), (False, 100)]
