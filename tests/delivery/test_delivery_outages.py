"""Outages and limits in the forms that are easily taken for something else."""

import asyncio

import pytest
from test_delivery_outcomes import OK, feed, run

from bridge.model.verdicts import AllAccepted, Answered, Throttled, Transient, Unauthorized

NO_TOKEN = Unauthorized("IMS cannot be reached", sent=False)


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


@pytest.mark.parametrize("seconds", [3, 60, 3_000])
def test_the_end_of_a_want_of_tokens_is_seen_soon(seconds):
    """However long it lasted: within three seconds of a token a request leaves."""

    def answer(_items, _number):
        return NO_TOKEN if asyncio.get_running_loop().time() < 1_000 + seconds else OK

    destination, resolutions, _ = run(answer, feed(200, owners=4))
    assert resolutions.done == dict.fromkeys(range(4), 200)
    assert max(at for at, _ in destination.requests) < 1_000 + seconds + 3


def test_after_an_outage_of_destination_and_tokens_together_the_flow_is_back_within_seconds():
    """First no tokens for minutes, then a destination that is away for as long: each is waited for by its own pauses."""

    def answer(_items, _number):
        now = asyncio.get_running_loop().time()
        return NO_TOKEN if now < 2_000 else Transient("http_503") if now < 3_500 else OK

    destination, resolutions, _ = run(answer, feed(200, owners=4))
    assert resolutions.done == dict.fromkeys(range(4), 200)
    assert not resolutions.dead
    assert max(at for at, _ in destination.requests) < 3_500 + 12


def test_a_want_of_tokens_is_no_fault_of_events_that_have_failed_before():
    """They failed while others were accepted; that there is no token is everybody's, and holds everybody."""
    held = []

    def answer(items, number):
        if number == 0:
            return Transient("http_503")
        now = asyncio.get_running_loop().time()
        return OK if b"00000" not in items or now > 1_400 else NO_TOKEN

    async def work(delivery, destination, resolutions):
        feeding = asyncio.create_task(feed(200, owners=4)(delivery, destination, resolutions))
        await asyncio.sleep(100)
        held.append((delivery.flow_control.credentials.open, delivery.flow_control.refusal, delivery.held_up()))
        await feeding

    _, resolutions, _ = run(answer, work)
    assert held == [(True, "IMS cannot be reached", [])]
    assert sum(resolutions.done.values()) == 800
